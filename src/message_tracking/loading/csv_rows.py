"""CSV files (RFC 4180) read block by block: every row with its place in the file, whatever its state."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pyarrow import csv as arrow_csv

from message_tracking.errors import UnreadableFileError
from message_tracking.source_files import SourceFile

BLOCK_BYTES = 4 * 2**20
"""As much of the unpacked text is held at a time, and at most four times as much where a row is that long."""

_BOM = b"\xef\xbb\xbf"
_COMMA, _QUOTE, _LINE_FEED, _RETURN = b',"\n\r'

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """Some whole rows of a file, blank lines left out."""

    text: bytes
    starts: Places
    """Where each row starts in `text`."""
    ends: Places
    """Where it ends, without its line end."""
    line_numbers: Places
    """Line of the file that each row starts on, from 1."""
    field_counts: Places
    first_offset: int
    """Where `text` starts in the unpacked file."""

    @property
    def byte_offsets(self) -> Places:
        """Where each row starts in the unpacked file."""
        return np.asarray(self.first_offset + self.starts)

    def raw(self, row: int) -> bytes:
        """A row as it stands in the file, without its line end."""
        return self.text[self.starts[row] : self.ends[row]]

    @cached_property
    def is_utf8(self) -> Flags:
        """Which rows are UTF-8."""
        try:
            self.text.decode()
        except UnicodeDecodeError:
            return np.array([_is_utf8(self.raw(row)) for row in range(self.starts.size)], dtype=np.bool_)
        return np.ones(self.starts.size, dtype=np.bool_)

    def fields(self, header: list[str], columns: list[str], is_wanted: Flags) -> pl.DataFrame:
        """The named columns of the wanted rows as text, '' where empty.

        Each of these rows must be UTF-8 and have as many fields as the header.
        """
        rows = np.flatnonzero(is_wanted).tolist()
        if not rows:
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        text = b"".join([self.raw(row) + b"\n" for row in rows]) if len(rows) < is_wanted.size else self.text
        if text.startswith(_BOM):
            # Arrow would leave it out; here it is the first character of a field.
            text = b"\n" + text
        # Columns that nobody asks for may have any name, even the same one twice.
        names = [name if name in columns else f"column {place}" for place, name in enumerate(header)]
        table = arrow_csv.read_csv(
            io.BytesIO(text),
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(text) + 1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), include_columns=columns, strings_can_be_null=False
            ),
        )
        return pl.DataFrame(table)


@dataclass(frozen=True)
class CsvFile:
    """One CSV file, plain or (`.gz`) gzipped."""

    file: SourceFile

    def blocks(self) -> Iterator[Block]:
        """Yield the rows of the file; the first of all is the header.

        Raises UnreadableFileError where quotes or the gzip are broken, or the file cannot be opened.
        """
        try:
            with self.file.open() as stored:
                yield from _blocks(gzip.GzipFile(fileobj=stored) if self.file.name.endswith(".gz") else stored)
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableFileError(f"{self.file} cannot be read: {error}.", "Export the file again.") from error
        except _QuoteError as error:
            raise UnreadableFileError(
                f"{self.file}, line {error.line_number}: {error}.",
                'By RFC 4180 a field with a quote stands in quotes, and the quote in it is doubled: "a ""b"" c".',
            ) from error


def header_names(block: Block) -> list[str]:
    """Names in the first row of a file's first block.

    Raises csv.Error where the row has a carriage return that ends no line, or a name of more than 128 KiB.
    """
    if not block.starts.size:
        return []
    if not block.field_counts[0]:
        raise csv.Error("a carriage return stands in it without a line feed")
    return next(csv.reader([block.raw(0).decode(errors="replace")]))


class _QuoteError(Exception):
    def __init__(self, what: str, line_number: int) -> None:
        super().__init__(what)
        self.line_number = line_number


def _blocks(stream: BinaryIO | gzip.GzipFile) -> Iterator[Block]:
    offset, line_number, rest = 0, 1, b""
    start = stream.read(len(_BOM))
    if start == _BOM:
        offset = len(_BOM)
    else:
        rest = start
    is_last = False
    while not is_last:
        if len(rest) > 3 * BLOCK_BYTES:
            break
        read = stream.read(BLOCK_BYTES)
        is_last = not read
        text = rest + read
        if is_last and text and not text.endswith(b"\n"):
            text += b"\n"
        block, rest = _split(text, offset, line_number)
        yield block
        offset += len(block.text)
        line_number += block.text.count(b"\n")
    if rest:
        raise _QuoteError("the quote that is opened on this line or one below is never closed", line_number)


def _split(text: bytes, offset: int, line_number: int) -> tuple[Block, bytes]:
    """Cut a text that starts with a row into its whole rows and the rest."""
    content = np.frombuffer(text, dtype=np.uint8)
    is_quoted = np.bitwise_xor.accumulate(content == _QUOTE)
    line_feeds = np.flatnonzero((content == _LINE_FEED) & ~is_quoted)
    length = int(line_feeds[-1]) + 1 if line_feeds.size else 0
    _check_quotes(content, is_quoted, line_number)
    content, is_quoted = content[:length], is_quoted[:length]

    starts = np.concatenate([[0], line_feeds[:-1] + 1]).astype(np.int64)[: line_feeds.size]
    ends = line_feeds - (content[np.maximum(line_feeds - 1, 0)] == _RETURN)
    # A line of nothing but its end is no row; neither is one that has its return only.
    is_row = ends > starts
    commas = np.flatnonzero((content == _COMMA) & ~is_quoted)
    fields = 1 + np.searchsorted(commas, ends) - np.searchsorted(commas, starts)
    # A return within a row is a line end to some programs: such a row has no number of fields.
    returns = np.flatnonzero((content == _RETURN) & ~is_quoted)
    fields[np.searchsorted(ends, returns[content[returns + 1] != _LINE_FEED])] = 0
    lines_before = np.searchsorted(np.flatnonzero(content == _LINE_FEED), starts)
    block = Block(
        text=text[:length],
        starts=starts[is_row],
        ends=ends[is_row],
        line_numbers=(line_number + lines_before)[is_row],
        field_counts=fields[is_row],
        first_offset=offset,
    )
    return block, text[length:]


def _check_quotes(content: npt.NDArray[np.uint8], is_quoted: Flags, line_number: int) -> None:
    """Raise _QuoteError where a quote neither encloses a field nor is doubled within one: rows could not be told."""
    quotes = np.flatnonzero(content == _QUOTE)
    opening, closing = quotes[is_quoted[quotes]], quotes[~is_quoted[quotes]]
    before = np.where(opening > 0, content[np.maximum(opening - 1, 0)], _LINE_FEED)
    behind = content[np.minimum(closing + 1, content.size - 1)]
    wrong = np.concatenate(
        [
            opening[~np.isin(before, [_COMMA, _LINE_FEED, _QUOTE])],
            closing[~np.isin(behind, [_COMMA, _LINE_FEED, _RETURN, _QUOTE])],
        ]
    )
    if wrong.size:
        line = line_number + int(np.count_nonzero(content[: wrong.min()] == _LINE_FEED))
        raise _QuoteError("a quote stands inside a field and is not doubled", line)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
