"""Texts of many lines at a time as Arrow arrays of bytes: made by looking up, not by formatting one by one.

Nothing here hands Python's or numpy's values to pyarrow: it would import pandas, which takes as long as many lines.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from message_tracking.sample.deliveries import Flags, Integers

Rows = npt.NDArray[np.uint8]
"""One text a row, all of them of the same length: the bytes."""


def table(texts: list[str]) -> pa.BinaryArray:
    """Texts to pick from."""
    encoded = [text.encode() for text in texts]
    return _of_bytes(b"".join(encoded), np.array([len(text) for text in encoded]))


def picked(texts: pa.BinaryArray, places: Integers) -> pa.BinaryArray:
    """The text of a table at each place."""
    return pc.take(texts, pl.Series(places).to_arrow(), boundscheck=False)


def joined(*columns: pa.BinaryArray) -> pa.BinaryArray:
    """One text for each row: those of all columns one after the other."""
    return pc.binary_join_element_wise(*columns, table([""])[0])


def of_series(texts: pl.Series) -> pa.BinaryArray:
    """Texts of polars."""
    return texts.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.binary())


def of_rows(rows: Rows) -> pa.BinaryArray:
    """Rows of bytes as texts."""
    return _of_bytes(rows, np.full(len(rows), rows.shape[1]))


def spread(texts: pa.BinaryArray, is_there: Flags) -> pa.BinaryArray:
    """New texts, in turn, where there is one, and empty ones elsewhere."""
    lengths = np.zeros(is_there.size, dtype=np.int64)
    lengths[is_there] = np.diff(_bounds(texts))
    return _of_bytes(_bytes_of(texts), lengths)


def without_leading_zeros(digits: Rows, counts: Integers) -> pa.BinaryArray:
    """The last digits of each row, as many as `counts` says."""
    width = digits.shape[1]
    return _of_bytes(digits[np.arange(width) >= width - counts[:, None]], counts)


def laid_out(template: str, count: int, parts: dict[int, Rows]) -> Rows:
    """The template as every row, overwritten from some columns on."""
    rows = np.tile(np.frombuffer(template.encode(), dtype=np.uint8), (count, 1))
    for start, part in parts.items():
        rows[:, start : start + part.shape[1]] = part
    return rows


def looked_up(texts: npt.NDArray[np.bytes_], places: npt.NDArray[np.integer]) -> Rows:
    """Texts of one length, given as a table, for each place."""
    return texts.take(places, mode="clip").view(np.uint8).reshape(places.size, texts.itemsize)


def hex_digits(numbers: npt.NDArray[np.integer], *, upper: bool = False) -> Rows:
    """Hex digits, two for each byte of a number."""
    words = numbers.astype(numbers.dtype.newbyteorder(">")).view(">u2")
    return looked_up(_hex_words(upper), words).reshape(numbers.size, 2 * numbers.itemsize)


def content(texts: pa.ChunkedArray) -> bytes:
    """All texts one after the other."""
    return b"".join(map(_bytes_of, texts.chunks))


@cache
def _hex_words(upper: bool) -> npt.NDArray[np.bytes_]:
    """The four digits of every 16-bit number."""
    digits = np.frombuffer(b"0123456789ABCDEF" if upper else b"0123456789abcdef", dtype=np.uint8)
    shifts = np.array([12, 8, 4, 0])
    return np.ascontiguousarray(digits[np.arange(2**16)[:, None] >> shifts & 15]).view("S4").ravel()


def _of_bytes(data: object, lengths: Integers) -> pa.BinaryArray:
    """Texts of given lengths that stand one after the other in `data`."""
    ends = np.zeros(lengths.size + 1, dtype=np.int32)
    np.cumsum(lengths, out=ends[1:])
    return pa.BinaryArray.from_buffers(pa.binary(), lengths.size, [None, pa.py_buffer(ends), pa.py_buffer(data)])


def _bounds(texts: pa.BinaryArray) -> npt.NDArray[np.int32]:
    """Where each text begins in the data, and where the last one ends."""
    return np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]


def _bytes_of(texts: pa.BinaryArray) -> memoryview:
    bounds = _bounds(texts)
    return memoryview(texts.buffers()[2])[bounds[0] : bounds[-1]]
