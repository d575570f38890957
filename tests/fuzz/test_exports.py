"""CSV exports, mutated: every row is read as Python reads it and typed by design §4.2, rejected, or the file is refused."""

import gzip
from pathlib import Path
from random import Random

import pytest
from tests.fuzz.export_verdicts import CORPUS, DisagreementError, judge_export, judge_mutated_exports
from tests.oracle.exports import TABLES

HEADER = ",".join(TABLES["recipients"]).encode()
ROW = b"7,Ada,Lovelace,ada@example.net,2,2026-01-05T20:15:30Z"
MISREAD = {
    "a number with more zeros than an id has digits": HEADER + b"\n" + b"0" * 30 + ROW,
    "second 60": HEADER + b"\n" + ROW.replace(b":30Z", b":60Z"),
    "year 0": HEADER + b"\n" + ROW.replace(b"2026-01-05T20:15:30Z", b"0000-12-31T23:30:00-01:00"),
    "a second byte order mark": b"\xef\xbb\xbf" + HEADER + b"\n\xef\xbb\xbf" + ROW,
    "a carriage return in the header": HEADER.replace(b",", b"\r", 1) + b"\n" + ROW,
    "two carriage returns behind the header": HEADER + b"\r\r\n" + ROW,
    "rows that end with carriage returns": (HEADER + b"\r" + ROW) * 3,
    "NUL in the name of an unknown column": HEADER + b",a\0b\n" + ROW + b",1",
    "NUL in a file without the columns": b"a\0b\n",
    "a column name of 10 MB": HEADER + b"," + b"x" * 10_000_000 + b"\n" + ROW + b",1",
    "a header of a million columns": HEADER + b",x" * 1_000_000 + b"\n" + ROW,
    "a million quotes": HEADER + b"\n" + b'"' * 1_000_000,
    "a row of a million quoted fields": HEADER + b"\n" + b'"",' * 1_000_000,
    "a field of a million line feeds": HEADER + b"\n" + ROW.replace(b"Ada", b'"' + b"\n" * 1_000_000 + b'"'),
}
"""What once was read otherwise, or might take long."""


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_every_row_of_the_corpus(tmp_path: Path, table: str, suffix: str):
    content = (CORPUS / f"{table}.csv").read_bytes()
    path = tmp_path / f"{table}{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".csv.gz" else content)
    met = judge_export(path, Random(1))
    assert met.total() == content.count(b"\n") - 1
    assert met[""] > 20


@pytest.mark.parametrize("content", MISREAD.values(), ids=MISREAD.keys())
def test_what_once_was_misread(tmp_path: Path, content: bytes):
    path = tmp_path / "recipients.csv"
    path.write_bytes(content)
    judge_export(path, Random(1))


def test_mutated_exports(tmp_path: Path):
    met = judge_mutated_exports(1_000, 1, tmp_path)
    assert min(met["refused"], met[""], met["field_count"], met["not_utf8"]) > 150, met
    missing = ("message_id", "recipient_id", "purpose", "effective_at")
    assert {f"{column}_missing" for column in missing} < met.keys()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_twenty_thousand_mutated_exports(tmp_path: Path, seed: int):
    judge_mutated_exports(1_000, seed, tmp_path)


def test_a_row_that_is_read_otherwise_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TABLES["recipients"], "first_name", str.lower)
    path = tmp_path / "recipients.csv"
    path.write_bytes(HEADER + b"\n" + ROW)
    with pytest.raises(DisagreementError, match=r"recipients\.csv: .*\nexpected \(7, 'ada'.*\nfound    \(7, 'Ada'"):
        judge_export(path, Random(1))
