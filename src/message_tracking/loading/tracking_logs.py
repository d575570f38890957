"""Tracking logs into raw.events, each line exactly once (design §6).

A pull of a file is one transaction: rows, rejected lines, ids and ledger row become visible together or not at all, so
a load can be killed at any point and simply run again.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from os import cpu_count
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import polars as pl
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from message_tracking.errors import UnreadableFileError
from message_tracking.loading import ledger
from message_tracking.loading.binary_copy import FixedColumn, copy_rows
from message_tracking.loading.erased import turn_away_rejected_lines
from message_tracking.loading.events import Catalog
from message_tracking.loading.ledger import FileKey, PullRecord
from message_tracking.loading.line_formats import line_format
from message_tracking.loading.log_files import (
    BLOCK_SIZE,
    Block,
    LastPull,
    Pull,
    head_digest,
    head_length,
    last_pulls,
    plan_pull,
    read_blocks,
    unreadable,
)
from message_tracking.loading.purging import alarm, forecasting
from message_tracking.loading.summary import FailedFile, LoadSummary
from message_tracking.parsing.reading import ReadBlock
from message_tracking.source_files import SourceFile, SourceFiles
from message_tracking.warehouse import Warehouse, fetch_all

SIDE_BY_SIDE_BYTES = 32 << 20
"""From so many bytes of logs on, several files are loaded at once."""
MOST_LANES = 4
LINES_FOR_LIMIT = 1000
"""From this many lines on, the reject limit fails a pull; below, it warns."""
_SAMPLE_COUNT = 20
_SAMPLE_BYTES = 500

_TAKE_OUT_KNOWN_REJECTS = """
    with known as (
        delete from raw.rejected_lines as arriving
        where
            arriving.load_id = %(load_id)s
            and exists (
                select from raw.rejected_lines as kept
                inner join ops.file_ledger as loads on kept.load_id = loads.load_id
                where
                    md5(kept.raw_line) = md5(arriving.raw_line)
                    and kept.raw_line = arriving.raw_line
                    -- What another load has committed was first, whoever began first.
                    and (kept.load_id <> arriving.load_id or kept.rejected_line_id < arriving.rejected_line_id)
                    and (loads.source_id, loads.kind, loads.server) = %(server)s
                    and (
                        encode(substring(arriving.raw_line for 20), 'escape') ~ '^[0-9A-Za-z]0x[0-9A-Fa-f]{16}\t?$'
                        or (
                            (loads.source_id, loads.kind, loads.server, loads.file_name) = %(file)s
                            and kept.byte_offset = arriving.byte_offset
                        )
                    )
            )
        returning arriving.reason
    )

    select reason, count(*) from known group by reason
"""

Progress = Callable[[int], None]
"""Called with the bytes of files that were read or found known since the last call."""


class RejectLimitError(UnreadableFileError):
    """A file of which too many lines were rejected."""


def load_tracking_logs(  # noqa: PLR0913  (what may be left out goes by name)
    warehouse: Warehouse,
    files: SourceFiles,
    server: str,
    *,
    progress: Progress = lambda _: None,
    wait: bool = False,
    block_size: int = BLOCK_SIZE,
) -> LoadSummary:
    """Load what is new in the log files of one server of a source.

    A file that cannot be pulled is listed in the summary and in the ledger, and the others go on. `block_size` is how
    many bytes are judged at once; memory is a multiple of it. Raises HeldError where another load of this source and
    server runs, unless `wait`.
    """
    name = f"load {files.source.name}/{server}"
    with (
        closing(warehouse.connect(f"message-tracking {name}")) as connection,
        ledger.held_lock(connection, name, wait=wait),
        forecasting(warehouse, files.source, server),
    ):
        return _ServerLoad(warehouse, connection, files, server, progress, block_size).run()


@dataclass
class _ServerLoad:
    """One load of one server's files."""

    warehouse: Warehouse
    connection: Connection
    files: SourceFiles
    server: str
    progress: Progress
    block_size: int

    def __post_init__(self) -> None:
        """Prepare what lasts for all files."""
        self.source = self.files.source
        self.source_id = ledger.register_source(self.connection, self.source.name)
        self.last_pulls: dict[str, LastPull] = {}
        self.lines = line_format(self.source, self.connection)
        self.summary = LoadSummary(self.source.name, self.server)
        self.counting = Lock()
        self.unread_bytes = 0
        """Of all files, when the load began."""

    def run(self) -> LoadSummary:
        """Load every file, by name."""
        files = self.files.log_files(self.server)
        if self.source.servers and not files:
            self.summary.warnings.append(f"{self.source.name}/{self.server} has no logs, although `servers` names it.")
        keys = [self.key(file) for file in files]
        self.last_pulls = last_pulls(
            self.connection, (self.source_id, ledger.TRACKING_LOG, self.server), [key.file_name for key in keys]
        )
        read_until = self._read_until()
        with ExitStack() as stack:
            lanes = [_Lane(self, self.connection, self._connect(stack, "catalog"))]
            for number in range(2, (_lane_count(files) if self.lines.goes_side_by_side else 1) + 1):
                extra = self._connect(stack, f"file {number}")
                lanes.append(_Lane(self, extra, self._connect(stack, f"catalog {number}")))
            _load_side_by_side(lanes, files)
        self.summary.failed_files.sort(key=lambda failed: failed.file_name)
        self.summary.warnings.sort()
        self._raise_alarm(read_until)
        self.summary.ignored += ledger.list_ignored(
            self.connection,
            [self.key(file) for file in self.files.other_files(self.server)],
            self.lines.why_ignored,
        )
        return self.summary

    def _read_until(self) -> datetime | None:
        """When the newest event that was read happened; None before the first load, when all is unread."""
        query = "select max(newest_event_at) from ops.file_ledger where (source_id, kind, server) = (%s, %s, %s)"
        newest: datetime | None = fetch_all(self.connection, query, (self.source_id, ledger.TRACKING_LOG, self.server))[
            0
        ][0]
        self.connection.rollback()
        return newest

    def _raise_alarm(self, read_until: datetime | None) -> None:
        """Say so where the server may soon delete what nobody has read."""
        now = self._read_until()
        if read_until and now and not self.source.has_dialect:
            hours = (now - read_until).total_seconds() / 3600
            told = alarm(self.source, self.server, self.unread_bytes, hours)
            self.summary.alarms += [told] if told else []

    def _connect(self, stack: ExitStack, what: str) -> Connection:
        """Open another connection, which the stack closes."""
        name = f"message-tracking load {self.source.name}/{self.server}, {what}"
        return stack.enter_context(closing(self.warehouse.connect(name)))

    def key(self, file: SourceFile) -> FileKey:
        """Name a file to the ledger."""
        return FileKey(self.source_id, ledger.TRACKING_LOG, self.server, file.name)


def _lane_count(files: Sequence[SourceFile]) -> int:
    """How many files to load at once. For little work another connection would cost more than it brings."""
    try:
        is_much = sum(file.state().size for file in files) >= SIDE_BY_SIDE_BYTES
    except (OSError, UnreadableFileError):
        is_much = False  # whoever loads the file says what is wrong with it
    return min(cpu_count() or 1, len(files), MOST_LANES) if is_much else 1


def _load_side_by_side(lanes: "Sequence[_Lane]", files: Iterable[SourceFile]) -> None:
    """Load each file in the lane that is free first. An error other than a file's own ends all lanes."""
    waiting: SimpleQueue[SourceFile] = SimpleQueue()
    for file in files:
        waiting.put(file)

    def work(lane: "_Lane") -> None:
        with suppress(Empty):
            while True:
                lane.load(waiting.get_nowait())

    if len(lanes) == 1:
        work(lanes[0])
        return
    with ThreadPoolExecutor(len(lanes), thread_name_prefix="load") as pool:
        try:
            for done in as_completed([pool.submit(work, lane) for lane in lanes]):
                done.result()
        except BaseException:
            with suppress(Empty):
                while True:
                    waiting.get_nowait()
            raise


class _Lane:
    """Loads one file after the other. `side_connection` commits what does no harm when the pull does not."""

    def __init__(self, load: _ServerLoad, connection: Connection, side_connection: Connection) -> None:
        self.server_load = load
        self.connection = connection
        self.catalog = Catalog.on(side_connection)

    def load(self, file: SourceFile) -> None:
        """Load what is new in one file, or note why not."""
        load = self.server_load
        key, record = load.key(file), PullRecord()
        try:
            pull = plan_pull(file, load.last_pulls.get(key.file_name), is_complete=load.lines.is_complete)
            if pull.is_unchanged:
                load.progress(pull.size)
                return
            with load.counting:
                load.unread_bytes += pull.size - pull.from_offset
            load.progress(pull.from_offset)
            record = PullRecord(pull.from_offset, pull.from_offset, file_size=pull.size, modified_ns=pull.modified_ns)
            with self.connection:
                self._pull(pull, key, record)
        except UnreadableFileError as error:
            record = record if isinstance(error, RejectLimitError) else PullRecord(file_size=record.file_size)
            record.error = str(error)
            ledger.write_failure(self.connection, key, record)
            with load.counting:
                load.summary.failed_files.append(FailedFile(str(file), str(error)))

    def _pull(self, pull: Pull, key: FileKey, record: PullRecord) -> None:
        """Pull one file within the caller's transaction."""
        pulled, load = None, self.server_load
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="copy") as pool:
            copied: Future[None] | None = None
            for block, parsed in self._parsed_blocks(pull):
                if pulled is None:
                    pulled = _FilePull(self, self.connection.cursor(), key, pull, record)
                copy = pulled.prepare(block, parsed)
                if copied:
                    copied.result()
                # The server never waits for a block: the next one is laid out meanwhile, and the one after it judged.
                copied = pool.submit(copy)
                load.progress(max(0, block.stored_offset - record.to_offset))
                record.to_offset = block.stored_offset
            if copied:
                copied.result()
        is_unfinished = not pull.is_gzip and record.to_offset < pull.size
        with load.counting:
            load.summary.unfinished += is_unfinished
        load.progress(pull.size - record.to_offset)
        if pulled is not None:
            record.to_offset = pull.size if pull.is_gzip else record.to_offset
            pulled.finish()

    def _parsed_blocks(self, pull: Pull) -> Generator[tuple[Block, ReadBlock]]:
        """Judge blocks in a thread of its own, one ahead of the copying."""
        blocks = read_blocks(pull, self.server_load.block_size)
        read = self.server_load.lines.reader(datetime.now(UTC))

        def following() -> tuple[Block, ReadBlock] | None:
            block = next(blocks, None)
            if block is None:
                return None
            return block, read(block.data)

        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="parse") as pool:
            upcoming = pool.submit(following)
            while (parsed := upcoming.result()) is not None:
                upcoming = pool.submit(following)
                yield parsed


class _FilePull:
    """The pull of one file in the open transaction."""

    def __init__(self, lane: _Lane, cursor: Cursor, key: FileKey, pull: Pull, record: PullRecord) -> None:
        self.load = lane.server_load
        self.cursor = cursor
        self.key = key
        self.pull = pull
        self.record = record
        self.load_id = ledger.open_pull(cursor, key)
        self.events = self.load.lines.writer(cursor, lane.catalog, key, self.load_id, record)
        self.reasons: dict[str, int] = {}

    def prepare(self, block: Block, lines: ReadBlock) -> Callable[[], None]:
        """Count a block's lines and lay out its events; what is returned copies them and the rejected lines."""
        first_line = self.pull.lines_before + self.record.line_count + 1
        copy_events = self.events.prepare(lines)
        self.events.note_rejected(lines.rejected)
        self.record.line_count += lines.line_count
        self.record.rejected_count += lines.rejected.height
        for reason, count in lines.rejected["reason"].value_counts().iter_rows():
            self.reasons[reason] = self.reasons.get(reason, 0) + count

        def copy() -> None:
            copy_events()
            self._copy_rejected(lines.rejected, first_line, block.offset)

        return copy

    def finish(self) -> None:
        """Hold the rejects against the limit, enter the ids and close the ledger row."""
        record = self.record
        self._check_limit()
        ledger.lock_rejected_lines(self.cursor, self.key)
        self._take_out_known_rejects()
        self._turn_away_erased()
        self.events.enter_ids()
        record.head_length = head_length(record.to_offset)
        try:
            record.head_digest = head_digest(self.pull.file, record.head_length)
        except OSError as error:
            raise unreadable(self.pull.file, error) from error
        ledger.forget_failures(self.cursor, self.key, but=[self.load_id])
        ledger.finish_pull(self.cursor, self.load_id, record)
        self._add_to_summary()

    def _copy_rejected(self, rejected: pl.DataFrame, first_line: int, offset: int) -> None:
        """Append lines to raw.rejected_lines and keep the first of the file as samples."""
        placed = rejected.with_columns(
            line_number=pl.col("line").cast(pl.Int64) + first_line, byte_offset=pl.col("byte_offset") + offset
        )
        fixed = [
            FixedColumn("load_id", self.load_id, ">i8"),
            FixedColumn("line_number", placed["line_number"], ">i8"),
            FixedColumn("byte_offset", placed["byte_offset"], ">i8"),
        ]
        copy_rows(self.cursor, ("raw", "rejected_lines"), placed.height, fixed, placed.select("reason", "raw_line"))
        wanted = _SAMPLE_COUNT - len(self.record.sample_rejects)
        self.record.sample_rejects += [_sample(row) for row in placed.head(wanted).iter_rows(named=True)]

    def _take_out_known_rejects(self) -> None:
        """Take rejected lines out that were kept before: the same bytes at the same place, or with the same log id."""
        if not self.record.rejected_count:
            return
        self.cursor.execute(
            _TAKE_OUT_KNOWN_REJECTS, {"load_id": self.load_id, "file": self.key.values, "server": self.key.values[:3]}
        )
        for reason, count in self.cursor.fetchall():
            self.record.rejected_count -= count
            self.record.already_loaded_count += count
            self.reasons[reason] -= count

    def _turn_away_erased(self) -> None:
        """Take out what is of erased persons, and count it."""
        self.events.turn_away_erased()
        if self.record.rejected_count:
            lines = turn_away_rejected_lines(self.cursor, self.load_id)
            self.record.rejected_count -= lines.total()
            self.record.erased_count += lines.total()
            for reason, count in lines.items():
                self.reasons[reason] -= count

    def _check_limit(self) -> None:
        """Refuse the file, or warn where it is too small to say, if too many of its lines were rejected."""
        record, limit = self.record, self.load.source.reject_limit
        share = record.rejected_count / max(record.line_count, 1)
        if share <= limit:
            record.sample_rejects = []
            return
        told = ", ".join(
            f"{reason} {count}" for reason, count in sorted(self.reasons.items(), key=lambda item: -item[1])
        )
        what = (
            f"{self.pull.file}: {record.rejected_count} of {record.line_count} lines ({share:.1%}) were rejected, "
            f"the limit is {limit:.1%} ({told})."
        )
        if record.line_count >= LINES_FOR_LIMIT:
            raise RejectLimitError(
                what,
                "Nothing of it was loaded. See sample_rejects in ops.file_ledger, repair the file or raise the limit.",
            )
        record.sample_rejects = []
        record.warnings.append(what)

    def _add_to_summary(self) -> None:
        """Count a pull that is about to be committed."""
        summary, record = self.load.summary, self.record
        with self.load.counting:
            summary.files += 1
            summary.line_count += record.line_count
            summary.accepted += record.accepted_count
            summary.rejected += record.rejected_count
            summary.already_loaded += record.already_loaded_count
            summary.erased += record.erased_count
            summary.reject_reasons.update({reason: count for reason, count in self.reasons.items() if count})
            summary.warnings += record.warnings


def _sample(row: dict[str, Any]) -> dict[str, Any]:
    """Show a rejected line as JSON can hold it: at most 500 bytes, what is not UTF-8 and NUL escaped."""
    text = row["raw_line"][:_SAMPLE_BYTES].decode("utf-8", errors="backslashreplace").replace("\0", "\\x00")
    is_cut = len(row["raw_line"]) > _SAMPLE_BYTES
    return {
        "line_number": row["line_number"],
        "byte_offset": row["byte_offset"],
        "reason": row["reason"],
        "raw_line": text + ("…" if is_cut else ""),
    }
