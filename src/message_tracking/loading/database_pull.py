"""Reference data out of a Campaign database into `raw`: what was changed since the last pull, server to server."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from message_tracking.errors import UnreadableFileError
from message_tracking.loading import ledger
from message_tracking.loading.campaign_tables import CampaignTable, FoundTable, Reading, campaign_table
from message_tracking.loading.ledger import FileKey, PullRecord
from message_tracking.loading.merging import Stage
from message_tracking.loading.reference_tables import REFERENCE_TABLES, ReferenceTable
from message_tracking.loading.summary import FailedFile, LoadSummary
from message_tracking.source_files import SourceFiles
from message_tracking.sources import Source
from message_tracking.transports.campaign_database import CampaignDatabase
from message_tracking.warehouse import fetch_all

ROWS_PER_STATEMENT = 100_000
"""One statement of the source reads as many rows."""


def load_from_database(
    connection: Connection, source_id: int, files: SourceFiles, summary: LoadSummary, *, accept_columns: bool = False
) -> None:
    """Load every kind of reference data that a source's database has, one after the other.

    Each is one transaction of the warehouse, and changes nothing where it fails: that counts in `failed_files`, and
    the others go on. A column that is new is warned about; one that has changed its type stops its kind, unless
    `accept_columns`.
    """
    assert files.database is not None  # noqa: S101  (who calls has asked)
    for table in REFERENCE_TABLES:
        at = campaign_table(files.source, table)
        if at is None:
            continue
        key = FileKey(source_id, table.name, "", at.table)
        pull = _Pull(connection, files.source, files.database, table, at, key, accept_columns=accept_columns)
        try:
            pull.run()
        except UnreadableFileError as refusal:
            ledger.write_failure(connection, key, PullRecord(error=str(refusal)))
            summary.failed_files.append(FailedFile(at.table, str(refusal)))
        else:
            pull.add_to(summary)


@dataclass
class _Pull:
    """One kind of reference data, from the source's rows to the table."""

    connection: Connection
    source: Source
    database: CampaignDatabase
    table: ReferenceTable
    at: CampaignTable
    key: FileKey
    accept_columns: bool = field(kw_only=True)
    record: PullRecord = field(default_factory=PullRecord)
    has_other_columns: bool = False
    """Whether the tables look otherwise than when they were last read."""

    def run(self) -> None:
        """Read what was changed since the last pull; leave no trace in the ledger where nothing was."""
        since = self._since()
        with self.connection, self.connection.cursor() as cursor:
            stage = Stage(cursor, self.table)
            began_at, reading = self._look(cursor)
            for statement in self._statements(stage, reading, since if reading.is_dated else None):
                self._copy(stage, statement)
            self.record.line_count = stage.count()
            load_id = ledger.open_pull(cursor, self.key)
            self.record.accepted_count = stage.merge(load_id)
            self.record.erased_count = stage.erased_count
            self.record.already_loaded_count = self.record.line_count - stage.erased_count - self.record.accepted_count
            if not (self.record.accepted_count or self.has_other_columns):
                self.connection.rollback()
                return
            self.record.head_digest = self.source.names_digest(self.table.name)
            self.record.modified_ns = int(began_at.timestamp()) * 10**9
            ledger.forget_failures(cursor, self.key, but=[load_id])
            ledger.finish_pull(cursor, load_id, self.record)

    def add_to(self, summary: LoadSummary) -> None:
        """Count what was read."""
        summary.files += 1
        summary.line_count += self.record.line_count
        summary.accepted += self.record.accepted_count
        summary.already_loaded += self.record.already_loaded_count
        summary.erased += self.record.erased_count
        summary.warnings.extend(self.record.warnings)

    def _since(self) -> datetime | None:
        """From which change on rows are read: the source's clock when the last pull began, less the overlap.

        None, which is all, where there was none, or where it has read other columns.
        """
        newest = fetch_all(
            self.connection,
            "select modified_ns, head_digest from ops.file_ledger "
            "where (source_id, kind, server, file_name) = (%s, %s, %s, %s) and status = 'loaded' "
            "order by position desc limit 1",
            self.key.values,
        )
        self.connection.rollback()
        if not newest:
            return None
        ((began_ns, digest),) = newest
        if (digest and bytes(digest)) != self.source.names_digest(self.table.name):
            return None
        return datetime.fromtimestamp(began_ns // 10**9, UTC) - timedelta(seconds=self.source.overlap_seconds)

    def _look(self, cursor: Cursor) -> tuple[datetime, Reading]:
        """Tell the source's clock, and check its tables and what has changed about them."""
        query = (
            "select table_name, column_name, data_type from information_schema.columns "
            "where table_schema = %s order by table_name, ordinal_position"
        )
        ((began_at,),), rows = self.database.ask(
            lambda session: (fetch_all(session, "select now()"), fetch_all(session, query, (self.database.schema,)))
        )
        found: dict[str, FoundTable] = {}
        for table, column, data_type in rows:
            found.setdefault(table.lower(), FoundTable(table, {})).columns[column.lower()] = (column, data_type)
        reading = Reading(self.table, self.at, self.source, found)
        reading.check()
        self._compare(cursor, reading)
        return began_at, reading

    def _compare(self, cursor: Cursor, reading: Reading) -> None:
        """Warn of columns that are new since the last load, stop where one that is read has another type now."""
        cursor.execute(
            "select column_name, data_type from ops.source_columns where (source_id, kind) = (%s, %s)",
            (self.key.source_id, self.table.name),
        )
        known, columns = dict(cursor.fetchall()), reading.columns
        if new := [name for name in columns if known and name not in known]:
            self.record.warnings.append(f"{self.database}: columns that are new are ignored: {', '.join(new)}")
        changed = [
            f"{name} was {known[name]} and is {columns[name]}"
            for name in sorted(reading.used_columns)
            if known.get(name, columns[name]) != columns[name]
        ]
        if changed and not self.accept_columns:
            raise UnreadableFileError(
                f"{'; '.join(changed)}. Nothing of it was loaded.",
                "Where that is as it should be, run `message-tracking load --accept-columns` once.",
            )
        self.has_other_columns = known != columns
        if self.has_other_columns:
            cursor.execute(
                "delete from ops.source_columns where (source_id, kind) = (%s, %s)",
                (self.key.source_id, self.table.name),
            )
            cursor.execute(
                "insert into ops.source_columns select %s, %s, * from unnest(%s, %s)",
                (self.key.source_id, self.table.name, list(columns), list(columns.values())),
            )

    def _statements(self, stage: Stage, reading: Reading, since: datetime | None) -> Iterator[sql.Composed]:
        """Write one statement after the other, each from the greatest key in the stage on, until one finds nothing."""
        after: tuple[Any, ...] | None = ()
        while after is not None:
            yield reading.select(since, after, ROWS_PER_STATEMENT)
            greatest = stage.greatest_key()
            after = greatest if greatest != after else None

    def _copy(self, stage: Stage, query: sql.Composed) -> None:
        """Append the rows of one statement to the stage; of one that breaks off, nothing before it is asked again."""
        cursor = stage.cursor

        def copy(session: Connection) -> None:
            cursor.execute("rollback to savepoint statement")
            with session.cursor() as reader:
                out_of = sql.SQL("copy ({}) to stdout").format(query).as_string(reader)
                with _flow(reader, out_of) as rows:
                    try:
                        stage.copy(rows)
                    except psycopg2.Error as error:
                        raise _WarehouseError from error

        cursor.execute("savepoint statement")
        try:
            self.database.ask(copy)
        except _WarehouseError as error:
            raise (error.__cause__ or error) from None
        cursor.execute("release savepoint statement")


class _WarehouseError(Exception):
    """What the warehouse, and not the source, says."""


@contextmanager
def _flow(reader: Cursor, statement: str) -> Iterator[Any]:
    """Give what a COPY … TO STDOUT sends as a file that another COPY reads while it comes in.

    Where the sender fails, that is raised, whether its reader has taken the end for a good one or for a broken row.
    """
    read_end, write_end = os.pipe()
    failures: list[Exception] = []

    def send() -> None:
        try:
            with os.fdopen(write_end, "wb") as sink:
                reader.copy_expert(statement, sink)
        except (psycopg2.Error, OSError) as error:
            failures.append(error)

    sender = threading.Thread(target=send, name="copy out", daemon=True)
    sender.start()
    try:
        with os.fdopen(read_end, "rb") as source:
            yield source
    finally:
        # One that is still at it has found by now that nobody reads, which is an OSError.
        sender.join()
        for failure in failures:
            if isinstance(failure, psycopg2.Error):
                raise failure
