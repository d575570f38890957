"""Tracking-log files of mutated lines: what the parser makes of them, held against the oracle's verdict on each line."""

import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from tests.fuzz.mutating import Mutations
from tests.oracle.lines import Accepted, Rejected, judge

from message_tracking.loading.log_files import Pull, read_blocks
from message_tracking.parsing.tracking_log import parse_block

CORPUS = Path(__file__).with_name("corpus") / "lines.log"
"""Lines of the sample and the golden data, those that the spec names, every boundary, and what once was misjudged."""
LOADED_AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
_LATEST = LOADED_AT.replace(tzinfo=None) + timedelta(days=1)
_ZONES = [
    "UTC",
    "UTC",
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kolkata",
]
_LINES_OF_A_FILE = (30, 10_000, 10_000)


class Verdicts(NamedTuple):
    """The lines of a file: number from 0 and what `Accepted` holds; number, byte offset, bytes and `Rejected`."""

    accepted: list[tuple[Any, ...]]
    rejected: list[tuple[Any, ...]]


class DisagreementError(AssertionError):
    """A line that the parser judges otherwise, loses or places elsewhere."""


def corpus() -> list[bytes]:
    """Return the kept lines, without their line feeds."""
    return CORPUS.read_bytes().removesuffix(b"\n").split(b"\n")


def judge_mutated_lines(line_count: int, seed: int, folder: Path) -> Iterator[Counter[str]]:
    """Judge at least that many mutated lines, file by file, and yield how often each reason, or '', was met.

    Files are plain or gzip, with or without a line feed at the end, read in blocks of random size. Raises DisagreementError.
    """
    mutations = Mutations(corpus(), b"\t", seed)
    chance = Random(seed)
    left = line_count
    while left > 0:
        lines = list(mutations.lines(min(left, chance.choice(_LINES_OF_A_FILE))))
        content = b"\n".join(lines) + chance.choice((b"\n", b"\n", b""))
        met = judge_file(content, folder, chance)
        left -= met.total()
        yield met


def judge_file(content: bytes, folder: Path, chance: Random) -> Counter[str]:
    """Write one log file, read and parse it, and hold every line against the oracle."""
    zone = chance.choice(_ZONES)
    path = folder / f"0x{0:016x}.log{chance.choice(('', '', '.gz'))}"
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    pull = Pull(path, 0, 0, path.stat().st_size, 0)
    lines = content.split(b"\n")
    if not lines[-1] or not pull.is_gzip:
        # Behind the last line feed is nothing, or in a plain file a line that waits for its end.
        lines.pop()
    expected = _expected(lines, ZoneInfo(zone))
    found = _found(pull, len(content) // chance.choice((1, 2, 3, 5, 20)) + 1, zone)
    if found != expected:
        raise DisagreementError(_difference(lines, expected, found, zone))
    return Counter(reason for *_, reason, _, _ in expected.rejected) + Counter({"": len(expected.accepted)})


def _expected(lines: list[bytes], zone: ZoneInfo) -> Verdicts:
    offset = 0
    verdicts = Verdicts([], [])
    for number, line in enumerate(lines):
        verdict = judge(line, zone, _LATEST)
        if isinstance(verdict, Rejected):
            verdicts.rejected.append((number, offset, line, *verdict))
        else:
            verdicts.accepted.append((number, *verdict))
        offset += len(line) + 1
    return verdicts


def _found(pull: Pull, block_size: int, zone: str) -> Verdicts:
    verdicts = Verdicts([], [])
    lines_before = 0
    for block in read_blocks(pull, block_size):
        parsed = parse_block(block.data, time_zone=zone, loaded_at=LOADED_AT)
        number = pl.col("line").cast(pl.Int64) + lines_before
        occurred_at = pl.col("occurred_at").dt.replace_time_zone(None)
        verdicts.accepted.extend(parsed.accepted.with_columns(occurred_at).select(number, *Accepted._fields).rows())
        offset = pl.col("byte_offset") + block.offset
        verdicts.rejected.extend(parsed.rejected.select(number, offset, "raw_line", *Rejected._fields).rows())
        lines_before += parsed.line_count
    return verdicts


def _difference(lines: list[bytes], expected: Verdicts, found: Verdicts, zone: str) -> str:
    """Show the first line that is judged otherwise, or how many there are."""
    for number, line in enumerate(lines):
        right, wrong = (
            [row for rows in verdicts for row in rows if row[0] == number] for verdicts in (expected, found)
        )
        if right != wrong:
            return f"line {number}, zone {zone}: {line!r}\nexpected {right}\nfound    {wrong}"
    return f"{len(lines)} lines expected, found {len(found.accepted) + len(found.rejected)}"
