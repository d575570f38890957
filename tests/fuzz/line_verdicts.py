"""Tracking-log files of mutated lines: what is made of them, held against the oracle's verdict on each line.

Every line is judged twice: by the grammar alone, and as a load reads it, which looks at plain lines in another way.
"""

import gzip
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from tests.fuzz.mutating import Mutations
from tests.oracle.lines import Accepted, Rejected, judge

from message_tracking.loading.log_files import Pull, read_blocks
from message_tracking.parsing.log_events import NUMBERS, POSTGRES_EPOCH_US, TEXTS, LogEvents
from message_tracking.parsing.reading import read_block
from message_tracking.parsing.tracking_log import ACCEPTED_SCHEMA, parse_block
from message_tracking.transports.local import LocalFile

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


Judged = Callable[[bytes, str], tuple[int, pl.DataFrame, pl.DataFrame]]


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
    pull = Pull(LocalFile(path), 0, 0, path.stat().st_size, 0)
    lines = content.split(b"\n")
    if not lines[-1] or not pull.is_gzip:
        # Behind the last line feed is nothing, or in a plain file a line that waits for its end.
        lines.pop()
    expected = _expected(lines, ZoneInfo(zone))
    block_size = len(content) // chance.choice((1, 2, 3, 5, 20)) + 1
    for judged in (judged_by_grammar, judged_in_load):
        found = _found(pull, block_size, zone, judged)
        if found != expected:
            raise DisagreementError(f"{judged.__name__}, {_difference(lines, expected, found, zone)}")
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


def judged_by_grammar(data: bytes, zone: str) -> tuple[int, pl.DataFrame, pl.DataFrame]:
    """Judge a block by the grammar alone: its number of lines, those accepted and those rejected."""
    parsed = parse_block(data, time_zone=zone, loaded_at=LOADED_AT)
    return parsed.line_count, parsed.accepted, parsed.rejected


def judged_in_load(data: bytes, zone: str) -> tuple[int, pl.DataFrame, pl.DataFrame]:
    """Judge a block as a load does."""
    read = read_block(data, time_zone=zone, loaded_at=LOADED_AT)
    return read.line_count, accepted_frame(read.events), read.rejected


def accepted_frame(events: LogEvents) -> pl.DataFrame:
    """Events as a frame of ACCEPTED_SCHEMA."""
    texts = {
        name: [
            None if start < 0 else bytes(events.buffer[start:end]).decode()
            for start, end in events.texts[:, column].tolist()
        ]
        for column, name in enumerate(TEXTS)
    }
    numbers = {name: events.numbers[:, column] for column, name in enumerate(NUMBERS)}
    occurred_at = pl.Series(events.occurred_at + POSTGRES_EPOCH_US).cast(pl.Datetime("us", "UTC"))
    columns = {
        "line": events.line,
        "prefix": [chr(code) for code in events.prefix],
        "has_replaced_bytes": events.has_replaced_bytes,
        **texts,
        **numbers,
        "occurred_at": occurred_at,
    }
    return pl.DataFrame({name: columns[name] for name in ACCEPTED_SCHEMA}, schema=ACCEPTED_SCHEMA)


def _found(pull: Pull, block_size: int, zone: str, judged: Judged) -> Verdicts:
    verdicts = Verdicts([], [])
    lines_before = 0
    for block in read_blocks(pull, block_size):
        line_count, accepted, rejected = judged(block.data, zone)
        number = pl.col("line").cast(pl.Int64) + lines_before
        occurred_at = pl.col("occurred_at").dt.replace_time_zone(None)
        verdicts.accepted.extend(accepted.with_columns(occurred_at).select(number, *Accepted._fields).rows())
        offset = pl.col("byte_offset") + block.offset
        verdicts.rejected.extend(rejected.select(number, offset, "raw_line", *Rejected._fields).rows())
        lines_before += line_count
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
