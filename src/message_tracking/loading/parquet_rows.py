"""Parquet files read batch by batch: every row with its values in few and plain types."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from message_tracking.errors import UnreadableFileError
from message_tracking.loading.csv_rows import Flags
from message_tracking.source_files import SourceFile

BATCH_ROWS = 16_384
"""As many rows are held at a time, however large the file's row groups are."""

_BUFFER_BYTES = 2**20
_LARGEST_EXACT = 2**53
"""Beyond it an integer may have been another one before it became a float."""
_READABLE = (
    types.is_integer,
    types.is_float64,
    types.is_decimal,
    types.is_boolean,
    types.is_string,
    types.is_large_string,
    types.is_string_view,
    types.is_binary,
    types.is_large_binary,
    types.is_binary_view,
    types.is_timestamp,
    types.is_date,
    types.is_null,
)


@dataclass(frozen=True)
class Batch:
    """Some rows of a file."""

    values: pl.DataFrame
    """Integers and booleans as such, all else as text: times in UTC, bytes that are not UTF-8 escaped like `\\xff`."""
    is_utf8: Flags
    """Which rows are UTF-8."""

    def raw(self, row: int) -> bytes:
        """A row as a JSON object of its values."""
        return json.dumps(self.values.row(row, named=True), ensure_ascii=False).encode()


@dataclass(frozen=True)
class ParquetFile:
    """One Parquet file; all its methods raise UnreadableFileError where it is none, cut short or encrypted."""

    file: SourceFile

    def names(self) -> list[str]:
        """Names of the columns."""
        with self._opened() as file:
            return list(file.schema_arrow.names)

    def batches(self, columns: list[str]) -> Iterator[Batch]:
        """Yield the rows, of which the named columns are read.

        Raises UnreadableFileError where one is of a type whose values are no number, text, boolean, time or date.
        """
        with self._opened() as file:
            for column in columns:
                self._check_type(column, file.schema_arrow.field(column).type)
            for batch in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                yield _plain(batch.select(columns))

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with (
                self.file.open() as stored,
                pq.ParquetFile(stored, buffer_size=_BUFFER_BYTES, coerce_int96_timestamp_unit="us") as file,
            ):
                yield file
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            what = " ".join(str(error).split()).rstrip(".")
            raise UnreadableFileError(
                f"{self.file} cannot be read as Parquet: {what}.",
                "Export the file again, as a whole and not encrypted.",
            ) from error

    def _check_type(self, column: str, kind: Any) -> None:
        value_kind = kind.value_type if types.is_dictionary(kind) else kind
        if not any(is_kind(value_kind) for is_kind in _READABLE):
            raise UnreadableFileError(
                f"{self.file}: the column {column} is of type {kind}.",
                "Export it as numbers, text, booleans, times or dates.",
            )


def _plain(batch: Any) -> Batch:
    is_utf8 = np.ones(batch.num_rows, dtype=np.bool_)
    columns = {}
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if types.is_integer(values.type) or types.is_boolean(values.type):
            columns[name] = pl.Series(values)
        else:
            text, is_readable = _text(values)
            columns[name] = pl.Series(text, dtype=pl.String)
            is_utf8 &= is_readable
    return Batch(pl.DataFrame(columns), is_utf8)


def _text(values: Any) -> tuple[Any, Flags]:
    """Write values as text, numbers without fraction as integers; tell which ones are UTF-8.

    Arrow says of a time that no calendar has that it is out of range, where polars would give another time.
    """
    kind = values.type
    if types.is_timestamp(kind):
        # What is stored is UTC; the zone is only how to show it.
        values = values.cast(pa.timestamp(kind.unit))
    elif types.is_float64(kind):
        is_whole = pc.and_(pc.equal(pc.floor(values), values), pc.less_equal(pc.abs(values), _LARGEST_EXACT))
        whole = values.cast(pa.int64(), safe=False).cast(pa.string())
        values = pc.if_else(is_whole, whole, values.cast(pa.string()))
    elif types.is_decimal(kind):
        # Arrow writes a small decimal with an exponent, also a zero: 0E-10.
        text = pc.replace_substring_regex(values.cast(pa.string()), r"\.0+$", "")
        values = pc.if_else(pc.equal(pc.floor(values), values), _whole(values), text)
    elif not (types.is_date(kind) or types.is_null(kind)):
        return _checked_text(values.cast(pa.large_binary()))
    return values.cast(pa.large_string()), np.ones(len(values), dtype=np.bool_)


def _whole(decimals: Any) -> Any:
    """Write the whole part of decimals, without exponent."""
    return pc.floor(decimals).cast(pa.decimal256(76, 0), safe=False).cast(pa.string())


def _checked_text(values: Any) -> tuple[Any, Flags]:
    """Read bytes as UTF-8, which a file's text need not be."""
    try:
        return values.cast(pa.large_string()), np.ones(len(values), dtype=np.bool_)
    except pa.ArrowInvalid:
        escaped = [value if value is None else value.decode(errors="backslashreplace") for value in values.to_pylist()]
        texts = pa.array(escaped, pa.large_string())
        is_utf8 = pc.fill_null(pc.equal(texts.cast(pa.large_binary()), values), True)
        return texts, is_utf8.to_numpy(zero_copy_only=False)
