"""Which lines a load reads by the place of their bytes, and that nothing is lost between those and the others."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.fuzz.line_verdicts import CORPUS, judged_by_grammar, judged_in_load
from tests.unit.parsing.test_tracking_log import LINE, VALID, line_with

from message_tracking.native import PADDING, PlainLines
from message_tracking.parsing.reading import read_block

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
NEVER = 2**62


def plain_lines(block: bytes, latest: int = NEVER) -> PlainLines:
    """The lines of a block that are plain."""
    return PlainLines(np.frombuffer(block + bytes(PADDING), np.uint8), len(block), block.count(b"\n"), 0, latest)


def plain_count(*lines: str, latest: int = NEVER) -> int:
    """How many lines are plain."""
    return len(plain_lines("".join(f"{line}\n" for line in lines).encode(), latest).line)


def microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


PLAIN = {
    **VALID,
    "a carriage return": f"{LINE}\r",
    "letters beyond ASCII": line_with(f10="Nürnberg €x \U0001f600"),
    "upper and lower case": line_with(f3="1F506d71"),
    "a shortened address": line_with(f11="::"),
    "eight groups": line_with(f11="1:2:3:4:5:6:7:8"),
    "a leap day": line_with(f2="2024-02-29T23:59:59.123456789"),
}


@pytest.mark.parametrize("line", PLAIN.values(), ids=PLAIN.keys())
def test_common_lines_are_plain(line: str):
    assert plain_count(line) == 1


def test_lines_that_are_rejected_are_not_plain():
    lines = CORPUS.read_bytes().removesuffix(b"\n").split(b"\n")
    _, _, rejected = judged_by_grammar(CORPUS.read_bytes(), "UTC")
    # What is in the range of dates is the caller's to say.
    wrong = rejected.filter(pl.col("reason") != "date_range")["line"]
    assert len(wrong) > 100
    assert [lines[number] for number in wrong if len(plain_lines(lines[number] + b"\n").line)] == []


def test_days_are_those_of_the_calendar():
    days = [
        datetime(year, month, day, 12, tzinfo=UTC)
        for year in (2000, 2001, 2024, 2100)
        for month in range(1, 13)
        for day in (1, 28)
    ]
    block = "".join(line_with(f2=f"{day:%Y-%m-%dT%H:%M:%S}") + "\n" for day in days).encode()
    assert plain_lines(block).numbers[:, 0].tolist() == [microseconds(day) for day in days]


def test_a_time_beyond_the_range_is_not_plain():
    latest = microseconds(datetime(2017, 6, 24, 21, 0, 50, 960_000, tzinfo=UTC))
    assert plain_count(LINE, latest=latest) == 1
    assert plain_count(LINE, latest=latest - 1) == 0


def test_plain_and_other_lines_stay_in_order():
    other = line_with(f11="::ffff:192.0.2.1")
    lines = [LINE, other, "no line", LINE, LINE, other, ""]
    block = "\n".join(lines).encode() + b"\n"
    assert plain_count(*lines) == 3
    read = read_block(block, loaded_at=datetime(2026, 1, 5, tzinfo=UTC))
    assert read.line_count == 7
    assert read.events.line.tolist() == [0, 1, 3, 4, 5]
    assert read.rejected.select("line", "byte_offset", "reason").rows() == [
        (2, len(LINE) + len(other) + 2, "field_count"),
        (6, len(block) - 1, "empty_line"),
    ]
    for by_grammar, in_load in zip(judged_by_grammar(block, "UTC")[1:], judged_in_load(block, "UTC")[1:], strict=True):
        assert by_grammar.equals(in_load)


def test_nothing():
    read = read_block(b"")
    assert (read.line_count, len(read.events), read.rejected.height) == (0, 0, 0)
