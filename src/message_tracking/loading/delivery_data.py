"""Reference data into `raw` (design §4.2): the rows of a source's exports here, message bodies in `contents`."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from message_tracking.errors import UnreadableFileError
from message_tracking.loading import ledger
from message_tracking.loading.contents import load_contents
from message_tracking.loading.database_pull import load_from_database
from message_tracking.loading.export_rows import SUFFIXES, ExportRows, RejectedRow, read_rows
from message_tracking.loading.ledger import FileKey, PullRecord
from message_tracking.loading.merging import Stage
from message_tracking.loading.reference_tables import REFERENCE_TABLES, ReferenceTable
from message_tracking.loading.summary import FailedFile, LoadSummary
from message_tracking.source_files import SourceFile, SourceFiles
from message_tracking.sources import Source
from message_tracking.warehouse import Warehouse, fetch_all

Progress = Callable[[int], None]

_LIMIT_COUNTS_FROM = 1_000
_SAMPLE_REJECTS = 20
_SAMPLE_BYTES = 500


def load_delivery_data(
    warehouse: Warehouse,
    files: SourceFiles,
    progress: Progress = lambda _: None,
    *,
    accept_columns: bool = False,
) -> LoadSummary:
    """Load the export files and message bodies of a source that are new or have changed since they were last loaded.

    Of a source that is a database, load the rows that were changed; `accept_columns` as for `load_from_database`.

    Each export is one transaction. A row replaces the current one of its key unless both say when they were modified
    and the current one is newer; a row that differs in nothing changes nothing. Rows that cannot be read go to
    `raw.rejected_lines`. A file that is refused counts in `failed_files`, and the others go on. `progress` is told
    how many bytes, of the files as stored, were read or passed over since it was last called.

    Raises UnreadableFileError where the source's folder is not there, HeldError where another load of this source's
    reference data runs.
    """
    files.require_folder()
    source = files.source
    summary = LoadSummary(source.name)
    name = f"load {source.name}/reference data"
    with closing(warehouse.connect(f"message-tracking {name}")) as connection, ledger.held_lock(connection, name):
        source_id = ledger.register_source(connection, source.name)
        if files.database:
            load_from_database(connection, source_id, files, summary, accept_columns=accept_columns)
        tables = {f"{table.name}{suffix}": table for table in REFERENCE_TABLES for suffix in SUFFIXES}
        for file in files.export_files(list(tables)):
            table = tables[file.name]
            key = FileKey(source_id, table.name, "", file.name)
            _Pull(connection, source, table, file, key, summary, progress).run()
        load_contents(connection, source_id, files, summary, progress)
    return summary


@dataclass
class _Rejects:
    """Rows of one file that cannot be read."""

    reasons: Counter[str] = field(default_factory=Counter)
    samples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, rows: list[RejectedRow]) -> None:
        """Take rows."""
        self.reasons.update(reason for _, _, reason, _ in rows)
        for line_number, byte_offset, reason, raw_line in rows[: _SAMPLE_REJECTS - len(self.samples)]:
            self.samples.append(
                {
                    "line_number": line_number,
                    "byte_offset": byte_offset,
                    "reason": reason,
                    # JSON in Postgres takes no NUL.
                    "raw_line": raw_line[:_SAMPLE_BYTES].decode(errors="backslashreplace").replace("\0", "\\x00"),
                }
            )


@dataclass
class _Pull:
    """One file, from its rows to the table."""

    connection: Connection
    source: Source
    table: ReferenceTable
    file: SourceFile
    key: FileKey
    summary: LoadSummary
    progress: Progress
    record: PullRecord = field(default_factory=PullRecord)
    rejects: _Rejects = field(default_factory=_Rejects)
    told: int = 0

    def run(self) -> None:
        """Load the file, unless it is unchanged; write a failed row where it is refused."""
        try:
            self._look()
            if not self._is_unchanged():
                with self.connection, self.connection.cursor() as cursor:
                    self._load(cursor)
                self._add_to_summary()
        except UnreadableFileError as refusal:
            self._fail(str(refusal))
        self.progress(self.record.file_size - self.told)

    def _look(self) -> None:
        """Note size and time before the file is read, so that what changes meanwhile is read again next time."""
        try:
            state = self.file.state()
        except OSError as error:
            raise UnreadableFileError(f"{self.file} cannot be read: {error}.") from error
        self.record.file_size, self.record.modified_ns = state.size, state.modified_ns
        self.record.to_offset = state.size
        self.record.head_digest = self.source.names_digest(self.table.name)

    def _is_unchanged(self) -> bool:
        """Whether the newest loaded pull of this file found the same size and time of change, and the same names."""
        newest = fetch_all(
            self.connection,
            "select file_size, modified_ns, encode(head_digest, 'hex') from ops.file_ledger "
            "where (source_id, kind, server, file_name) = (%s, %s, %s, %s) and status = 'loaded' "
            "order by position desc limit 1",
            self.key.values,
        )
        self.connection.rollback()
        digest = self.record.head_digest
        return newest == [(self.record.file_size, self.record.modified_ns, digest and digest.hex())]

    def _load(self, cursor: Cursor) -> None:
        stage = Stage(cursor, self.table)
        load_id = ledger.open_pull(cursor, self.key)
        named = self.source.columns.get(self.table.name, {})
        for rows in read_rows(self.file, self.table, named, self.record.warnings):
            self._take(stage, load_id, rows)
            self._tell(rows.byte_count)
        self._check_rejects()
        self.record.accepted_count = stage.merge(load_id)
        self.record.erased_count = stage.erased_count
        self.record.already_loaded_count = (
            self.record.line_count - self.record.rejected_count - stage.erased_count - self.record.accepted_count
        )
        ledger.forget_failures(cursor, self.key, but=[load_id])
        ledger.finish_pull(cursor, load_id, self.record)

    def _tell(self, byte_count: int) -> None:
        """Pass on what was read of a plain text; of the packed formats it is not known before the end."""
        if self.file.name.endswith(".csv"):
            self.told += byte_count
            self.progress(byte_count)

    def _take(self, stage: Stage, load_id: int, rows: ExportRows) -> None:
        """Copy the rows that can be read into the stage, and write down those that cannot."""
        stage.add(rows.good.with_columns(pl.col("row_number").cast(pl.Int64) + self.record.line_count))
        self.rejects.add(rows.rejected)
        execute_values(
            stage.cursor,
            "insert into raw.rejected_lines (load_id, line_number, byte_offset, reason, raw_line) values %s",
            [(load_id, *row) for row in rows.rejected],
        )
        self.record.line_count += rows.count
        self.record.rejected_count += len(rows.rejected)

    def _check_rejects(self) -> None:
        """Refuse the file where too large a share of its rows was rejected; of a small file this is a warning."""
        record, limit = self.record, self.source.reject_limit
        if record.rejected_count <= limit * record.line_count:
            return
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.rejects.reasons.most_common())
        what = (
            f"{self.file}: {record.rejected_count} of {record.line_count} rows were rejected ({reasons}), "
            f"the limit is {limit:.1%}"
        )
        if record.line_count >= _LIMIT_COUNTS_FROM:
            raise UnreadableFileError(f"{what}.", "Correct the export, or raise reject_limit in the sources file.")
        record.warnings.append(f"{what}, which counts from {_LIMIT_COUNTS_FROM} rows on.")

    def _fail(self, reason: str) -> None:
        """Write that nothing of the file counts. The accepted ones are those that could have been."""
        self.record.accepted_count = self.record.line_count - self.record.rejected_count
        self.record.already_loaded_count = self.record.erased_count = 0
        self.record.error = reason
        self.record.sample_rejects = self.rejects.samples
        ledger.write_failure(self.connection, self.key, self.record)
        self.summary.failed_files.append(FailedFile(str(self.file), reason))

    def _add_to_summary(self) -> None:
        self.summary.files += 1
        self.summary.line_count += self.record.line_count
        self.summary.accepted += self.record.accepted_count
        self.summary.rejected += self.record.rejected_count
        self.summary.already_loaded += self.record.already_loaded_count
        self.summary.erased += self.record.erased_count
        self.summary.reject_reasons.update(self.rejects.reasons)
        self.summary.warnings.extend(self.record.warnings)
