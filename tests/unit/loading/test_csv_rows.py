"""Rows of a CSV file and their places, against Python's own reader."""

import csv
import gzip
import io
import random
from pathlib import Path

import numpy as np
import pytest

from message_tracking.errors import UnreadableFileError
from message_tracking.loading import csv_rows
from message_tracking.loading.csv_rows import CsvFile, header_names
from message_tracking.transports.local import LocalFile


def rows_of(path: Path, names: list[str]) -> list[tuple[int, bytes, tuple[str, ...] | None]]:
    """Line number, raw row and fields (None where their number is another) of every row."""
    found = []
    for block in CsvFile(LocalFile(path)).blocks():
        is_wanted = block.is_utf8 & (block.field_counts == len(names))
        fields = iter(block.fields(names, names, is_wanted).rows())
        found += [
            (int(block.line_numbers[row]), block.raw(row), next(fields) if is_wanted[row] else None)
            for row in range(block.starts.size)
        ]
    return found


def written(rows: list[list[str]], line_end: str, quoting: int) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end, quoting=quoting).writerows(rows)
    return text.getvalue().encode()


@pytest.mark.parametrize("block_bytes", [40, 97, csv_rows.BLOCK_BYTES])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_what_was_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int, line_end: str, quoting: int
) -> None:
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", block_bytes)
    draw = random.Random(1)
    # Python writes a lone return without quotes where it need not quote.
    alphabet = 'aé,"\n1 ' + ("\r" if quoting == csv.QUOTE_ALL else "")
    rows = [["".join(draw.choices(alphabet, k=draw.randrange(5))) for _ in range(3)] for _ in range(300)]
    content = written(rows, line_end, quoting)
    (tmp_path / "rows.csv").write_bytes(content)
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + content))
    for name in ("rows.csv", "rows.csv.gz"):
        found = rows_of(tmp_path / name, ["a", "b", "c"])
        assert [fields for *_, fields in found] == [tuple(row) for row in rows]
        starts = np.cumsum([0, *[len(raw) + len(line_end) for _, raw, _ in found]])[:-1]
        assert [line for line, *_ in found] == [content[:start].count(b"\n") + 1 for start in starts]
    assert b"".join(raw + line_end.encode() for _, raw, _ in found) == content


def test_any_text_is_either_read_like_python_reads_it_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 30)
    draw = random.Random(2)
    path = tmp_path / "rows.csv"
    outcomes = set()
    for _ in range(1_500):
        content = bytes(draw.choices(b'ab,,"\n\n\r\x00\xff', k=draw.randrange(25)))
        path.write_bytes(content)
        try:
            found = rows_of(path, ["a", "b"])
        except UnreadableFileError:
            outcomes.add("refused")
            continue
        for _, raw, fields in found:
            outcomes.add("row" if fields else "wrong row")
            if fields is not None:
                assert [list(fields)] == list(csv.reader([raw.decode()], strict=True))
        without_rows = content
        for _, raw, _ in found:
            assert raw in content
            without_rows = without_rows.replace(raw, b"", 1)
        assert not without_rows.strip(b"\r\n")
    assert outcomes == {"refused", "row", "wrong row"}


def test_the_header_is_the_first_row(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b'\xef\xbb\xbf\n"a ""b""",c\n1,2\n')
    assert header_names(next(iter(CsvFile(LocalFile(tmp_path / "rows.csv")).blocks()))) == ['a "b"', "c"]


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 100)
    (tmp_path / "rows.csv").write_bytes(b'a,b\n1,"2\n' + b"3,4\n" * 1_000)
    with pytest.raises(UnreadableFileError, match=r"rows\.csv, line 2: the quote"):
        rows_of(tmp_path / "rows.csv", ["a", "b"])
