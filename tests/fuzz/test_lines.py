"""The tracking-log parser on mutated and pathological lines: every verdict is that of the grammar and the strict layer."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tests.fuzz.line_verdicts import CORPUS, DisagreementError, judge_file, judge_mutated_lines

from message_tracking.parsing.text_views import TextBuffer
from message_tracking.parsing.tracking_log import REJECT_REASONS

GOOD = CORPUS.read_bytes().split(b"\n")[0]


def with_field(number: int, value: bytes) -> bytes:
    fields = GOOD.split(b"\t")
    fields[number - 1] = value
    return b"\t".join(fields)


PATHOLOGICAL = {
    "a million tabs": b"\t" * 1_000_000,
    "a million line feeds": b"\n" * 1_000_000,
    "a million carriage returns": b"\r" * 1_000_000,
    "10 MB without a separator": b"x" * 10_000_000,
    "10 MB of what is not UTF-8": b"\xff" * 10_000_000,
    "log id of 10 MB": with_field(1, b"50x" + b"0" * 10_000_000),
    "fraction of 10 MB": with_field(2, b"2017-06-24T21:00:50." + b"9" * 10_000_000),
    "date of a million points": with_field(2, b"." * 1_000_000),
    "message id of 10 MB": with_field(3, b"f" * 10_000_000),
    "nested percent signs": with_field(9, b"%" + b"25" * 1_000_000),
    "a million parameters": with_field(9, b"amount=1e999999999&" * 1_000_000),
    "user agent of 10 MB": with_field(10, "ü".encode() * 5_000_000),
    "address of a million colons": with_field(11, b":" * 1_000_000),
    "address of a million groups": with_field(11, b"1:" * 1_000_000 + b"1"),
    "address of a million octets": with_field(11, b"1." * 1_000_000 + b"1"),
    "a million proxies": with_field(11, b"203.0.113.7" + b", 10.0.0.4" * 1_000_000),
    "a million commas and what no address has": with_field(11, b"," * 1_000_000 + b"\x00"),
    "field 12 of 10 MB that ends with NUL": GOOD + b"\t" + b"x" * 10_000_000 + b"\x00",
}


def test_every_line_of_the_corpus(tmp_path: Path):
    for seed in range(20):
        met = judge_file(CORPUS.read_bytes(), tmp_path, Random(seed))
        assert met.keys() == {"", *REJECT_REASONS}


def test_mutated_lines(tmp_path: Path):
    met = sum(judge_mutated_lines(100_000, 1, tmp_path), Counter())
    assert met.total() >= 100_000
    assert met.keys() == {"", *REJECT_REASONS}
    assert min(met.values()) > 200, met


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 110))
def test_five_million_mutated_lines(tmp_path: Path, seed: int):
    assert sum(judge_mutated_lines(500_000, seed, tmp_path), Counter()).total() >= 500_000


@pytest.mark.parametrize("content", PATHOLOGICAL.values(), ids=PATHOLOGICAL.keys())
def test_pathological_lines(tmp_path: Path, content: bytes):
    lines = [GOOD, *content.split(b"\n"), GOOD]
    met = judge_file(b"\n".join(lines) + b"\n", tmp_path, Random(0))
    assert met.total() == len(lines)
    assert met[""] >= 2


def test_a_line_that_is_judged_otherwise_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.fuzz.line_verdicts.LOADED_AT", datetime(2010, 1, 1, tzinfo=UTC))
    with pytest.raises(DisagreementError, match=r"line 0, zone .*: b'50x00000000000A0000.*\n.*\n.*date_range"):
        judge_file(GOOD + b"\n", tmp_path, Random(0))


def test_text_views_are_the_bytes_between_two_places():
    draw = np.random.default_rng(1)
    for _ in range(2_000):
        size = int(draw.choice([1, 5, 12, 13, 30, 500]))
        # Characters of one to four bytes, so that a text of them begins at every fourth place only.
        block = "".join(draw.choice(["abcd", "\0\t\n\r", "éü", "€x", "\U0001f600"], size)).encode()
        places = np.sort(draw.integers(0, size + 1, (50, 2)), axis=1) * 4
        starts, ends = places[:, 0], places[:, 1]
        expected = [block[start:end] for start, end in places.tolist()]
        buffer = TextBuffer(block)
        assert buffer.binary(starts, ends).to_list() == expected
        assert buffer.text(starts, ends).to_list() == [text.decode() for text in expected]
        assert buffer.text(starts, ends).unique().sort().to_list() == sorted({text.decode() for text in expected})
