"""Columns of text that lie in one buffer, without copying them (Arrow string views)."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

Offsets = NDArray[np.int64]

_INLINE = 12
"""A view of up to 12 bytes holds them itself; a longer one holds the first four and where the text begins."""
_WORD_MASKS = np.array(
    [[(1 << 8 * min(max(length - 4 * word, 0), 4)) - 1 for length in range(_INLINE + 1)] for word in range(3)],
    dtype=np.uint32,
)


class TextBuffer:
    """A block of at most 2 GiB of which columns can be cut."""

    def __init__(self, block: bytes) -> None:
        # Views are made from 12 bytes at any place, so some must follow the last one.
        self._padded = block + bytes(16)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._padded, dtype=np.uint8)[: len(block)]
        self._words: NDArray[np.uint32] = np.ndarray(
            (len(block) + 9,), dtype=np.dtype("<u4"), buffer=self._padded, strides=(1,)
        )

    def text(self, starts: Offsets, ends: Offsets) -> pl.Series:
        """Return the String column whose row i is the bytes from starts[i] to ends[i], which must be UTF-8."""
        return self._column(pa.string_view(), starts, ends)

    def binary(self, starts: Offsets, ends: Offsets) -> pl.Series:
        """Return the Binary column whose row i is the bytes from starts[i] to ends[i]."""
        return self._column(pa.binary_view(), starts, ends)

    def _column(self, kind: Any, starts: Offsets, ends: Offsets) -> pl.Series:
        """Lay out 16 bytes a row: length, then the text itself or its first four bytes, buffer number and place."""
        lengths = ends - starts
        is_inline = lengths <= _INLINE
        kept = np.minimum(lengths, _INLINE)
        views = np.empty((len(starts), 4), dtype="<u4")
        views[:, 0] = lengths
        views[:, 1] = self._words[starts] & _WORD_MASKS[0][kept]
        views[:, 2] = np.where(is_inline, self._words[starts + 4] & _WORD_MASKS[1][kept], 0)
        views[:, 3] = np.where(is_inline, self._words[starts + 8] & _WORD_MASKS[2][kept], starts)
        buffers = [None, pa.py_buffer(views), pa.py_buffer(self._padded)]
        column = pl.from_arrow(pa.Array.from_buffers(kind, len(starts), buffers))
        assert isinstance(column, pl.Series)  # noqa: S101
        return column
