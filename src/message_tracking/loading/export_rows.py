"""The rows of an export file in whatever format, typed or rejected with a reason (design §4.2)."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from message_tracking.errors import UnreadableFileError
from message_tracking.loading.csv_rows import Block, CsvFile, Flags, header_names
from message_tracking.loading.parquet_rows import Batch, ParquetFile
from message_tracking.loading.reference_tables import ReferenceTable, typed
from message_tracking.source_files import SourceFile

SUFFIXES = (".csv", ".csv.gz", ".parquet")
"""Of the formats, in the order of reading."""

_LONGEST_LIST = 1_000

RejectedRow = tuple[int, int, str, bytes]
"""Line number from 1, byte offset, reason, raw line. In Parquet: row number from 1, 0, reason, the row as JSON."""


@dataclass(frozen=True)
class ExportRows:
    """Some rows of a file, one after the other."""

    count: int
    good: pl.DataFrame
    """The table's columns, and `row_number`, the place among these rows."""
    rejected: list[RejectedRow]
    byte_count: int = 0
    """Bytes of the unpacked text, where it is text."""


Named = Mapping[str, str | None]
"""Our column → what a file calls it, or None where it has none; columns that are not there are called as ours."""


def read_rows(file: SourceFile, table: ReferenceTable, named: Named, warnings: list[str]) -> Iterator[ExportRows]:
    """Yield the rows of a file; add to `warnings` what is odd about it and does no harm.

    Raises UnreadableFileError where the file is broken or a column is missing: nothing of it may count then.
    """
    theirs = {column: name for column in table.columns if (name := named.get(column, column))}
    columns = _Columns(table, theirs)
    if file.name.endswith(".parquet"):
        return _parquet_rows(file, columns, warnings)
    return _csv_rows(file, columns, warnings)


@dataclass(frozen=True)
class _Columns:
    """The columns of a table, and what a file calls those that it has."""

    table: ReferenceTable
    theirs: dict[str, str]

    @property
    def names(self) -> list[str]:
        """What the file must have; two of ours may be one there."""
        return list(dict.fromkeys(self.theirs.values()))

    def typed(self, fields: pl.DataFrame) -> pl.DataFrame:
        """Read the fields of a file; columns that it has not are empty."""
        ours = [pl.col(theirs).alias(ours) for ours, theirs in self.theirs.items()]
        absent = [pl.lit("").alias(column) for column in self.table.columns if column not in self.theirs]
        return typed(self.table, fields.select(*ours, *absent))


def _csv_rows(file: SourceFile, columns: _Columns, warnings: list[str]) -> Iterator[ExportRows]:
    header: list[str] = []
    for block in CsvFile(file).blocks():
        is_data = np.ones(block.starts.size, dtype=np.bool_)
        if not header and is_data.size:
            header = _header(file, block)
            warnings += _check_names(file, columns, header)
            is_data[0] = False
        yield _csv_block(columns, block, is_data, header)
    if not header:
        _check_names(file, columns, [])


def _header(file: SourceFile, block: Block) -> list[str]:
    try:
        return header_names(block)
    except csv.Error as error:
        raise UnreadableFileError(
            f"{file}, line {block.line_numbers[0]}: the header cannot be read: {error}.",
            "The first row names the columns; each row ends with LF or CRLF.",
        ) from error


def _csv_block(columns: _Columns, block: Block, is_data: Flags, header: list[str]) -> ExportRows:
    has_fields = is_data & block.is_utf8 & (block.field_counts == len(header))
    rows = columns.typed(block.fields(header, columns.names, has_fields))
    reasons = np.where(block.is_utf8, "field_count", "not_utf8").astype(object)
    reasons[has_fields] = rows["reject_reason"].to_list()
    is_rejected = is_data.copy()
    is_rejected[has_fields] = rows["reject_reason"].is_not_null().to_numpy()
    rejected = [
        (int(block.line_numbers[row]), int(block.byte_offsets[row]), reasons[row], block.raw(row))
        for row in np.flatnonzero(is_rejected).tolist()
    ]
    return ExportRows(int(is_data.sum()), _good(rows), rejected, len(block.text))


def _parquet_rows(file: SourceFile, columns: _Columns, warnings: list[str]) -> Iterator[ExportRows]:
    parquet = ParquetFile(file)
    warnings += _check_names(file, columns, parquet.names())
    row_count = 0
    for batch in parquet.batches(columns.names):
        yield _parquet_batch(columns, batch, row_count)
        row_count += batch.values.height


def _parquet_batch(columns: _Columns, batch: Batch, rows_before: int) -> ExportRows:
    rows = columns.typed(batch.values).with_columns(
        reject_reason=pl.when(pl.lit(pl.Series(batch.is_utf8))).then("reject_reason").otherwise(pl.lit("not_utf8"))
    )
    rejected = [
        (rows_before + row + 1, 0, rows["reject_reason"][row], batch.raw(row))
        for row in rows["reject_reason"].is_not_null().arg_true().to_list()
    ]
    return ExportRows(rows.height, _good(rows), rejected)


def _good(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_row_index("row_number").filter(pl.col("reject_reason").is_null())


def _check_names(file: SourceFile, columns: _Columns, names: list[str]) -> list[str]:
    """Refuse a file that lacks a column or has it twice; return a warning about those that nobody knows."""
    found = f"found: {_listed(names)}" if names else "the file is empty"
    hint = f"Export {columns.table.name} with the columns {', '.join(columns.names)}."
    for column in columns.names:
        if column not in names:
            raise UnreadableFileError(f"{file}: the column {column} is missing; {found}.", hint)
        if names.count(column) > 1:
            raise UnreadableFileError(f"{file}: the column {column} is there twice; {found}.", hint)
    unknown = [name for name in names if name not in columns.names]
    return [f"{file.name}: unknown columns were ignored: {_listed(unknown)}"] if unknown else []


def _listed(names: list[str]) -> str:
    """Names for a message that is stored: Postgres takes no NUL, and what is no header may be as long as the file."""
    text = ", ".join(names).replace("\0", "\\x00")
    return text if len(text) <= _LONGEST_LIST else f"{text[:_LONGEST_LIST]}…"
