"""Rejected lines back in, exactly once, after a rule of the parser has changed (design §6).

A replayed line stays in raw.rejected_lines and names the load that took it back in. That load is a row of the ledger
that reads no line of its file: it moves lines from rejected to accepted (or already loaded), so that the sums over a
file stay those of its lines.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from message_tracking.loading import ledger
from message_tracking.loading.events import Catalog, EventWriter
from message_tracking.loading.ledger import FileKey, PullRecord
from message_tracking.loading.line_formats import LineFormat, line_format
from message_tracking.loading.log_files import BLOCK_SIZE
from message_tracking.loading.summary import LoadSummary
from message_tracking.parsing.reading import ReadBlock
from message_tracking.sources import Source
from message_tracking.warehouse import Warehouse, fetch_all

Progress = Callable[[int], None]
"""Called with the bytes of rejected lines that were judged since the last call."""

_OPEN_LINES = """
    raw.rejected_lines as lines
    inner join ops.file_ledger as loads on lines.load_id = loads.load_id
    where
        (loads.source_id, loads.kind, loads.server) = (%(source_id)s, %(kind)s, %(server)s)
        and lines.replayed_by_load_id is null
        and (cardinality(%(reasons)s::text[]) = 0 or lines.reason = any(%(reasons)s))
"""


def servers_with_rejected_lines(warehouse: Warehouse, source: Source) -> dict[str, int]:
    """Server → bytes of its lines that are still rejected, of a source."""
    with closing(warehouse.connect("message-tracking replay")) as connection:
        return dict(
            fetch_all(
                connection,
                """
                select loads.server, sum(octet_length(lines.raw_line))::bigint
                from raw.rejected_lines as lines
                inner join ops.file_ledger as loads on lines.load_id = loads.load_id
                inner join ops.sources as sources on loads.source_id = sources.source_id
                where sources.source = %s and loads.kind = %s and lines.replayed_by_load_id is null
                group by loads.server
                order by loads.server
                """,
                (source.name, ledger.TRACKING_LOG),
            )
        )


def replay_rejected_lines(  # noqa: PLR0913  (what may be left out goes by name)
    warehouse: Warehouse,
    source: Source,
    server: str,
    *,
    reasons: Collection[str] = (),
    dry_run: bool = False,
    progress: Progress = lambda _: None,
    block_size: int = BLOCK_SIZE,
) -> LoadSummary:
    """Judge the rejected lines of one server anew and load those that are accepted now; return what became of them.

    With `reasons` only lines that were rejected for one of these. A line that is rejected again keeps its place under
    its new reason. With `dry_run` nothing is changed, and `accepted` counts what is known already too. One file is one
    transaction, so a killed replay is simply run again. Raises HeldError where a load or replay of this source and
    server runs.
    """
    name = f"load {source.name}/{server}"
    with (
        closing(warehouse.connect(f"message-tracking {name}, replay")) as connection,
        closing(warehouse.connect(f"message-tracking {name}, catalog")) as side_connection,
        ledger.held_lock(connection, name),
    ):
        replay = _ServerReplay(
            connection, Catalog.on(side_connection), source, server, sorted(reasons), dry_run, progress, block_size
        )
        return replay.run()


@dataclass
class _ServerReplay:
    """One replay of one server's rejected lines."""

    connection: Connection
    catalog: Catalog
    source: Source
    server: str
    reasons: list[str]
    dry_run: bool
    progress: Progress
    block_size: int

    def run(self) -> LoadSummary:
        """Replay file by file, by name."""
        self.summary = LoadSummary(self.source.name, self.server)
        self.source_id = ledger.register_source(self.connection, self.source.name)
        self.lines = line_format(self.source, self.connection)
        self.read = self.lines.reader(datetime.now(UTC))
        for file_name in self._file_names():
            with self.connection, self.connection.cursor() as cursor:
                self._replay(cursor, FileKey(self.source_id, ledger.TRACKING_LOG, self.server, file_name))
                if self.dry_run:
                    self.connection.rollback()
        return self.summary

    def _file_names(self) -> list[str]:
        """The files that have rejected lines."""
        with self.connection, self.connection.cursor() as cursor:
            query = f"select distinct loads.file_name from {_OPEN_LINES} order by loads.file_name"  # noqa: S608
            cursor.execute(query, self._selection())
            return [name for (name,) in cursor]

    def _selection(self, **more: Any) -> dict[str, Any]:
        """The parameters of _OPEN_LINES."""
        return {
            "source_id": self.source_id,
            "kind": ledger.TRACKING_LOG,
            "server": self.server,
            "reasons": self.reasons,
            **more,
        }

    def _replay(self, cursor: Cursor, file: FileKey) -> None:
        """Replay the lines of one file within the caller's transaction."""
        writer = None
        self.summary.files += 1
        for line_ids, data in self._blocks(cursor, file):
            lines = self.read(data)
            accepted, rejected = lines.accepted_line, lines.rejected
            self.summary.line_count += lines.line_count
            self.summary.rejected += rejected.height
            for reason, count in rejected["reason"].value_counts().iter_rows():
                self.summary.reject_reasons[reason] += count
            if self.dry_run:
                self.summary.accepted += len(accepted)
            else:
                _rename_reasons(cursor, line_ids.gather(rejected["line"]), rejected["reason"])
                if len(accepted):
                    writer = writer or _open_writer(cursor, self.lines, self.catalog, file)
                    _take(cursor, writer, line_ids.gather(accepted), lines)
            self.progress(len(data) - lines.line_count)
        if writer is not None:
            writer.turn_away_erased()
            writer.enter_ids()
            ledger.finish_pull(cursor, writer.load_id, writer.record)
            self.summary.accepted += writer.record.accepted_count
            self.summary.already_loaded += writer.record.already_loaded_count
            self.summary.erased += writer.record.erased_count

    def _blocks(self, cursor: Cursor, file: FileKey) -> Iterator[tuple[pl.Series, bytes]]:
        """Read a file's rejected lines in blocks of about `block_size` bytes: their ids, and the lines themselves."""
        selection = self._selection(file_name=file.file_name, block_size=self.block_size)
        cursor.execute(
            f"""
            select min(rejected_line_id), max(rejected_line_id)
            from (
                select
                    rejected_line_id,
                    sum(octet_length(raw_line) + 1) over (order by rejected_line_id) / %(block_size)s as block
                from {_OPEN_LINES} and loads.file_name = %(file_name)s
            ) as placed
            group by block
            order by block
            """,  # noqa: S608  (a text of this module)
            selection,
        )
        for first, last in cursor.fetchall():
            cursor.execute(
                f"""
                select
                    array_agg(rejected_line_id order by rejected_line_id),
                    string_agg(raw_line || '\\x0a'::bytea, ''::bytea order by rejected_line_id)
                from {_OPEN_LINES}
                    and loads.file_name = %(file_name)s and rejected_line_id between %(first)s and %(last)s
                """,  # noqa: S608
                selection | {"first": first, "last": last},
            )
            ((ids, data),) = cursor.fetchall()
            yield pl.Series(ids, dtype=pl.Int64), bytes(data)


def _open_writer(cursor: Cursor, lines: LineFormat, catalog: Catalog, file: FileKey) -> EventWriter:
    """Begin a pull that reads nothing: it stands where the last one of the file ended."""
    cursor.execute(
        """
        select to_offset, to_offset, file_size, head_digest, head_length, modified_ns
        from ops.file_ledger
        where (source_id, kind, server, file_name) = (%s, %s, %s, %s) and status = 'loaded'
        order by position desc
        limit 1
        """,
        file.values,
    )
    record = PullRecord(*cursor.fetchall()[0])
    return lines.writer(cursor, catalog, file, ledger.open_pull(cursor, file), record)


def _take(cursor: Cursor, writer: EventWriter, line_ids: pl.Series, lines: ReadBlock) -> None:
    """Load lines that are accepted now, and note so beside them."""
    writer.take(lines)
    writer.record.rejected_count -= len(line_ids)
    cursor.execute(
        "update raw.rejected_lines set replayed_by_load_id = %s where rejected_line_id = any(%s)",
        (writer.load_id, line_ids.to_list()),
    )


def _rename_reasons(cursor: Cursor, line_ids: pl.Series, reasons: pl.Series) -> None:
    """Write the reasons of today beside lines that are rejected again."""
    cursor.execute(
        """
        update raw.rejected_lines as lines set reason = judged.reason
        from unnest(%s::bigint[], %s::text[]) as judged (rejected_line_id, reason)
        where lines.rejected_line_id = judged.rejected_line_id and lines.reason <> judged.reason
        """,
        (line_ids.to_list(), reasons.to_list()),
    )
