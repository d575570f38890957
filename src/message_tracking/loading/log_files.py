"""Reading tracking-log files, plain or gzip, in blocks of whole lines; which part is new (design §6)."""

import gzip
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import BinaryIO, Protocol

from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)

from message_tracking.errors import UnreadableFileError
from message_tracking.source_files import SourceFile
from message_tracking.warehouse import fetch_all

BLOCK_SIZE = 8 << 20
LONGEST_LINE = 8 << 20
"""Judging a line takes a dozen times its size, and real ones have some kilobytes."""
_HEAD = 1 << 16


class _Reader(Protocol):
    """What blocks are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


@dataclass(frozen=True)
class Pull:
    """Which part of a file to read."""

    file: SourceFile
    from_offset: int
    """0, or where the last pull of a plain file that has only grown ended."""
    lines_before: int
    size: int
    modified_ns: int
    is_unchanged: bool = False
    """There is nothing new in it."""
    is_complete: bool = False
    """Nobody appends to it, so that its last line is a line like the others, as in a gzip."""

    @property
    def is_gzip(self) -> bool:
        """Whether the file is compressed."""
        return self.file.name.endswith(".gz")


@dataclass(frozen=True)
class Block:
    """Whole lines. `offset` is where they begin, in the unpacked text of a gzip."""

    data: bytes
    offset: int
    stored_offset: int
    """How far the file as stored has been read."""


@dataclass(frozen=True)
class LastPull:
    """What the ledger says of a file as it was last read."""

    to_offset: int
    head_digest: bytes
    head_length: int
    modified_ns: int
    line_count: int
    """Lines up to `to_offset`: those of its pull and of the pulls that it continued."""


def last_pulls(connection: Connection, server: tuple[int, str, str], names: list[str]) -> dict[str, LastPull]:
    """Read the last pull that counts of each of these files, by their names in the ledger.

    `server` is source_id, kind and server of all of them. What was read of files that are gone costs nothing.
    """
    rows = fetch_all(
        connection,
        """
        with pulls as (
            select
                *,
                max(position) filter (where from_offset = 0) over (partition by file_name) as beginning
            from ops.file_ledger
            where (source_id, kind, server) = %s and file_name = any(%s) and status = 'loaded'
        )
        select distinct on (file_name)
            file_name, to_offset, head_digest, head_length, modified_ns,
            sum(line_count) filter (where position >= beginning) over (partition by file_name)
        from pulls
        order by file_name, position desc
        """,
        (server, names),
    )
    connection.rollback()
    return {
        name: LastPull(to_offset, bytes(digest), length, modified_ns, int(line_count))
        for name, to_offset, digest, length, modified_ns, line_count in rows
    }


def plan_pull(file: SourceFile, last: LastPull | None, *, is_complete: bool = False) -> Pull:
    """Say what of a file is to be read, given how it was read last.

    A plain file whose beginning is the same and that has grown continues where the last pull ended; one that was
    replaced, cut or written anew is read from its beginning, and so is a gzip that has changed: known lines are
    recognised by id. Files that are `is_complete` are not appended to, only replaced.
    Raises UnreadableFileError where the file cannot be read.
    """
    try:
        state = file.state()
        whole = Pull(file, 0, 0, state.size, state.modified_ns, is_complete=is_complete)
        if last is None:
            return whole
        if (state.size, state.modified_ns) == (last.to_offset, last.modified_ns):
            # It is not opened: what an old file costs is its place in the listing.
            return replace(whole, is_unchanged=True)
        has_grown = state.size > last.to_offset and not whole.is_gzip and not whole.is_complete
        if has_grown and head_digest(file, last.head_length) == last.head_digest:
            return replace(whole, from_offset=last.to_offset, lines_before=last.line_count)
        return whole
    except OSError as error:
        raise unreadable(file, error) from error


def head_digest(file: SourceFile, length: int) -> bytes:
    """Digest a file's first bytes, by which it is recognised as the same when it has grown."""
    with file.open() as stream:
        return sha256(stream.read(length)).digest()


def head_length(to_offset: int) -> int:
    """How many bytes of a file that was read up to an offset make its head: those are not written again."""
    return min(_HEAD, to_offset)


def read_blocks(pull: Pull, block_size: int = BLOCK_SIZE) -> Iterator[Block]:
    """Read the new part of a file in blocks of whole lines of about `block_size` bytes.

    The last line of a plain file waits as long as it has no line feed, unless the file is complete; in a gzip it is a
    line like the others.
    Raises UnreadableFileError for a truncated or corrupt gzip, a line of more than 8 MiB, or a file that cannot be
    read.
    """
    try:
        with pull.file.open(pull.from_offset) as stored:
            if pull.is_gzip:
                with gzip.GzipFile(fileobj=stored) as unpacked:
                    yield from _blocks(unpacked, stored, pull, block_size)
            else:
                # What is appended while we read is the next pull's.
                yield from _blocks(_Limited(stored, pull.size - pull.from_offset), None, pull, block_size)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(pull.file, error) from error


def _blocks(reader: _Reader, stored: BinaryIO | None, pull: Pull, block_size: int) -> Iterator[Block]:
    """Cut what a reader gives after line feeds. `stored` is the packed file under a gzip's reader."""
    rest: list[bytes] = []
    offset = pull.from_offset
    while piece := reader.read(block_size):
        cut = piece.rfind(b"\n") + 1
        if cut:
            data = b"".join([*rest, piece[:cut]])
            yield Block(data, offset, stored.tell() if stored else offset + len(data))
            offset += len(data)
            rest = []
        rest.append(piece[cut:])
        if sum(map(len, rest)) > LONGEST_LINE:
            raise UnreadableFileError(
                f"{pull.file}: the line at byte {offset} is longer than {LONGEST_LINE >> 20} MiB.",
                "No tracking log has such a line: take it out and load again. Nothing of this pull counts until then.",
            )
    last = b"".join(rest)
    if last and (stored or pull.is_complete):
        yield Block(last, offset, stored.tell() if stored else offset + len(last))


class _Limited:
    """Reads a stream up to a number of bytes."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        piece = self._stream.read(min(size, self._left))
        self._left -= len(piece)
        return piece


def unreadable(file: SourceFile, error: Exception) -> UnreadableFileError:
    """Say what is wrong with a file and what to do."""
    if isinstance(error, (EOFError, zlib.error, gzip.BadGzipFile)):
        return UnreadableFileError(
            f"{file}: the gzip is truncated or corrupt ({error}).",
            "Fetch the file again; the next load reads it as a whole.",
        )
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return UnreadableFileError(
        f"{file}: cannot be read ({reason}).", "Check the file's rights and the disk, then load again."
    )
