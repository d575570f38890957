"""Rows for `COPY … (format binary)`, laid out column by column: the server parses no text, which is half its work."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the class is spelled so there)

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
_NULL_LENGTH = -1


class FixedColumn:
    """A column of numbers that are never null."""

    def __init__(self, name: str, values: NDArray[Any] | pl.Series | int | bool, binary_type: str) -> None:
        """`binary_type` is the column's form on the wire: >i8, >i4, >i2, ?, S1. One value stands for all rows."""
        self.name = name
        self.values = values.to_numpy() if isinstance(values, pl.Series) else values
        self.binary_type = binary_type


def copy_rows(
    cursor: Cursor, table: tuple[str, str], row_count: int, fixed: Sequence[FixedColumn], variable: pl.DataFrame
) -> None:
    """Append rows to a table: first the fixed columns, then the String or Binary columns of `variable`."""
    if not row_count:
        return
    rows = encode_rows(row_count, fixed, variable)
    copy_encoded(cursor, table, [column.name for column in fixed] + variable.columns, rows)


def copy_encoded(cursor: Cursor, table: tuple[str, str], columns: Iterable[str], rows: Any) -> None:
    """Append rows that are laid out in a buffer already, with these columns in this order."""
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        sql.Identifier(*table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    cursor.copy_expert(statement, BytesIO(b"".join([HEADER, rows, TRAILER])), size=1 << 18)


def encode_rows(row_count: int, fixed: Sequence[FixedColumn], variable: pl.DataFrame) -> Any:
    """Return the buffer of all rows: per row its field count, then each field's length and bytes."""
    pieces = [_fixed_part(row_count, fixed, len(variable.columns))]
    for column in variable:
        lengths = column.str.len_bytes() if column.dtype == pl.String else column.bin.size()
        pieces.append(_as_binary(lengths.cast(pl.Int32).fill_null(_NULL_LENGTH).to_numpy().astype(">i4")))
        empty = "" if column.dtype == pl.String else b""
        pieces.append(column.fill_null(empty).to_arrow().cast(pa.large_binary()))
    rows = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.large_binary()))
    return rows.buffers()[2]


def _fixed_part(row_count: int, fixed: Sequence[FixedColumn], variable_count: int) -> Any:
    """Everything of a row before its first field of varying length."""
    layout: list[tuple[str, str]] = [("field_count", ">i2")]
    for column in fixed:
        layout += [(f"{column.name} length", ">i4"), (column.name, column.binary_type)]
    rows = np.empty(row_count, dtype=layout)
    rows["field_count"] = len(fixed) + variable_count
    for column in fixed:
        rows[f"{column.name} length"] = np.dtype(column.binary_type).itemsize
        rows[column.name] = column.values
    return _as_binary(rows)


def _as_binary(rows: NDArray[Any]) -> Any:
    """See an array of equally long items as a column of bytes."""
    offsets = np.arange(len(rows) + 1, dtype=np.int64) * rows.dtype.itemsize
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(rows.view(np.uint8))]
    )
