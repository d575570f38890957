"""Traces of persons in text: found, and blotted out by as many other bytes, so that nothing else moves.

A file that somebody appends to stays the same file, and what was read of it up to a byte stays where it was.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import polars as pl

from message_tracking.erasing.persons import Traces

BLOCK_SIZE = 16 << 20
_MESSAGE, _UUID, _PARAMETERS, _CLIENT_IP = 2, 6, 8, 10
"""Places of fields in a log line (spec §2.2)."""
_AMOUNTS = re.compile(rb"((amount|article)=[0-9.]+(&|$))*")


class Blotter:
    """Knows the traces of persons when it sees them."""

    def __init__(self, traces: Traces, *, with_addresses: bool = True) -> None:
        """Also look for network addresses that are these persons' alone, unless these are known by their place."""
        words = [*traces.words, *(traces.own_addresses if with_addresses else ())]
        # Bytes, each as the character of its number: texts may be in any encoding.
        self._words = [word.encode().decode("latin-1") for word in words]
        self._blots = ["x" * len(word) for word in self._words]
        self._message_ids = pl.Series(sorted(traces.message_ids), dtype=pl.Int64)

    def is_in(self, lines: pl.Series) -> pl.Series:
        """Say of each line whether there is an address or a UUID of a person in it, in whatever case."""
        if not self._words:
            return pl.repeat(value=False, n=len(lines), eager=True)
        return lines.str.contains_any(self._words, ascii_case_insensitive=True)

    def blot(self, lines: pl.Series) -> pl.Series:
        """Put an x for each byte of an address or a UUID of a person."""
        if not self._words:
            return lines
        return lines.str.replace_many(self._words, self._blots, ascii_case_insensitive=True)

    def is_reaction(self, lines: pl.Series) -> pl.Series:
        """Say of each log line whether it is of a message to one of these persons."""
        number = lines.str.splitn("\t", _MESSAGE + 2).struct.field(f"field_{_MESSAGE}")
        unsigned = number.str.to_integer(base=16, strict=False, dtype=pl.Int64)
        signed = pl.select(pl.when(unsigned >= 1 << 31).then(unsigned - (1 << 32)).otherwise(unsigned)).to_series()
        return signed.is_in(self._message_ids.implode()).fill_null(value=False)

    def blotted(self, texts: Sequence[str]) -> list[tuple[int, str]]:
        """Give the place and the new form of those texts that have changed. All at once: to begin takes its time."""
        lines = pl.Series([text.encode().decode("latin-1") for text in texts], dtype=pl.String)
        places = self.is_in(lines).arg_true()
        return [
            (place, text.encode("latin-1").decode())
            for place, text in zip(places, self.blot(lines.gather(places)), strict=True)
        ]

    def blot_text(self, block: bytes) -> bytes:
        """Blot a text."""
        lines = as_lines(block)
        return as_bytes(self.blot(lines)) if self.is_in(lines).any() else block

    def blot_log(self, block: bytes) -> bytes:
        """Blot lines of a tracking log: they still can be read, as events of nobody."""
        lines = as_lines(block)
        theirs, named = self.is_reaction(lines), self.is_in(lines)
        if not (theirs.any() or named.any()):
            return block
        blotted = self.blot(lines).to_list()
        for place in theirs.arg_true():
            blotted[place] = _nobody_s(blotted[place].encode("latin-1")).decode("latin-1")
        return as_bytes(pl.Series(blotted))


def as_lines(block: bytes) -> pl.Series:
    """Cut a text into lines, each byte as the character of its number."""
    return pl.Series(block.decode("latin-1").split("\n"), dtype=pl.String)


def as_bytes(lines: pl.Series) -> bytes:
    """Put lines together again."""
    return "\n".join(lines.to_list()).encode("latin-1")


def _nobody_s(line: bytes) -> bytes:
    """A log line without who it was: requester, address, and parameters but amounts, each as long as it was."""
    fields = line.split(b"\t")
    for place, blot in ((_UUID, _zeros), (_PARAMETERS, _parameters), (_CLIENT_IP, _client_ip)):
        if place < len(fields):
            fields[place] = blot(fields[place])
    return b"\t".join(fields)


def _zeros(text: bytes) -> bytes:
    return b"0" * len(text)


def _parameters(text: bytes) -> bytes:
    return text if _AMOUNTS.fullmatch(text) else b"x" * len(text)


def _client_ip(text: bytes) -> bytes:
    """`::`, an address, and what makes it as long as the other, behind a comma as proxies are."""
    return (b"::," + _zeros(text[3:]))[: len(text)]


def blot_in_place(path: Path, blot: Callable[[bytes], bytes], block_size: int = BLOCK_SIZE) -> int:
    """Overwrite what `blot` changes in a file, block by block of whole lines; return how many blocks it changed.

    What is appended meanwhile is left. Raises OSError.
    """
    changed = 0
    with path.open("r+b", buffering=0) as file:
        offset = 0
        for block in whole_lines(file, block_size):
            blotted = blot(block)
            if blotted != block:
                # Else what follows would be overwritten.
                assert len(blotted) == len(block)  # noqa: S101
                place = file.tell()
                file.seek(offset)
                file.write(blotted)
                file.seek(place)
                changed += 1
            offset += len(block)
    return changed


def whole_lines(file: BinaryIO, block_size: int = BLOCK_SIZE) -> Iterator[bytes]:
    """Read blocks that end with a line, or with the file."""
    rest = b""
    while read := file.read(block_size):
        block, line_feed, rest = (rest + read).rpartition(b"\n")
        if line_feed:
            yield block + line_feed
    if rest:
        yield rest
