"""What is written in C, because numpy and polars would pass over the same bytes a dozen times.

`setup.py` compiles the sources beside this file into one library, which knows nothing of Python: its calls run beside
other threads.
"""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from message_tracking.errors import ConfigurationError
from message_tracking.parsing.log_events import NUMBERS, TEXTS

PADDING = 64
"""Bytes that must follow a block: some are looked at before the line's end is known."""

_POINTER, _INT64 = ctypes.c_void_p, ctypes.c_int64


def _load(library: Path) -> ctypes.CDLL:
    """Load the library. Raises ConfigurationError where it was not compiled, or for another machine."""
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise ConfigurationError(f"{library} cannot be loaded: {error}.", "`make setup` compiles it.") from error


def _function(name: str, result: Any, *arguments: Any) -> Any:
    """Find a function of the library and tell its types."""
    function = getattr(_LIBRARY, name)
    function.restype, function.argtypes = result, arguments
    return function


_LIBRARY = _load(Path(__file__).with_name("kernels.so"))
_read_plain_lines = _function(
    "read_plain_lines", _INT64, _POINTER, _INT64, _INT64, _INT64, *[_POINTER] * 7, ctypes.POINTER(_INT64)
)
_event_rows_size = _function("event_rows_size", _INT64, _INT64, _POINTER)
_write_event_rows = _function("write_event_rows", None, _INT64, *[_POINTER] * 6, _INT64, ctypes.c_int16, _POINTER)
_number_user_agents = _function(
    "number_user_agents", _INT64, _INT64, _POINTER, _POINTER, _POINTER, _INT64, *[_POINTER] * 2
)


def _address(array: NDArray[Any], dtype: type[np.generic] | str) -> int:
    """Where an array lies; it must be as C takes it for."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"An array of {array.dtype} is not a plain one of {dtype}.")
    return array.ctypes.data


class PlainLines:
    """The lines of a block as `read_plain_lines` finds them, n lines in all."""

    def __init__(self, block: NDArray[np.uint8], size: int, line_count: int, earliest: int, latest: int) -> None:
        """Read `block[:size]`, which ends with a line feed and is followed by PADDING bytes.

        `earliest` and `latest` are microseconds since 2000-01-01 by the log's own clock; a line outside is not plain.
        """
        line, prefix = np.empty(line_count, np.int64), np.empty(line_count, np.uint8)
        numbers, texts = np.empty((line_count, len(NUMBERS)), np.int64), np.empty((line_count, len(TEXTS), 2), np.int32)
        odd = np.empty((3, line_count), np.int64)
        odd_count = _INT64()
        assert len(block) >= size + PADDING  # noqa: S101  (memory is at stake)
        count = _read_plain_lines(
            _address(block, np.uint8),
            size,
            earliest,
            latest,
            *(column.ctypes.data for column in (line, prefix, numbers, texts, *odd)),
            odd_count,
        )
        self.line, self.prefix, self.numbers, self.texts = line[:count], prefix[:count], numbers[:count], texts[:count]
        self.odd_line, self.odd_start, self.odd_end = odd[:, : odd_count.value]


def event_rows(  # noqa: PLR0913, PLR0917  (one for each column)
    buffer: NDArray[np.uint8],
    prefix: NDArray[np.uint8],
    numbers: NDArray[np.int64],
    texts: NDArray[np.int32],
    has_replaced_bytes: NDArray[np.bool_],
    user_agent_id: NDArray[np.int32],
    load_id: int,
    source_id: int,
) -> NDArray[np.uint8]:
    """Lay out events as rows of a binary COPY; event_rows.c names its columns."""
    count, places = len(numbers), _address(texts, np.int32)
    rows = np.empty(_event_rows_size(count, places), dtype=np.uint8)
    _write_event_rows(
        count,
        _address(buffer, np.uint8),
        _address(prefix, np.uint8),
        _address(numbers, np.int64),
        places,
        _address(has_replaced_bytes, np.bool_),
        _address(user_agent_id, np.int32),
        load_id,
        source_id,
        rows.ctypes.data,
    )
    return rows


def number_user_agents(
    buffer: NDArray[np.uint8], texts: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number the distinct user agents as they come: returns each row's number, and the first row of each number."""
    count = len(texts)
    slots = np.full(1 << (2 * count).bit_length(), -1, dtype=np.int32)
    numbers, first_rows = np.empty(count, np.int32), np.empty(count, np.int32)
    distinct = _number_user_agents(
        count,
        _address(buffer, np.uint8),
        _address(texts, np.int32),
        slots.ctypes.data,
        len(slots),
        numbers.ctypes.data,
        first_rows.ctypes.data,
    )
    return numbers, first_rows[:distinct]
