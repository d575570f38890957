"""The marts do not depend on how the data arrives: slices out of order, lines twice, reference data in pieces and late."""

import csv
import gzip
import random
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from tests.oracle.exports import KEYS

from message_tracking.pipeline import recompute_everything
from message_tracking.sample import SampleOptions, generate_sample


def log_lines(folder: Path) -> dict[str, list[bytes]]:
    """Every finished line of a landing folder, by server. The unfinished last line of a plain file waits for more."""
    lines = defaultdict(list)
    for file in sorted(folder.glob("logs/*/0x*.log*")):
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        *finished, rest = content.split(b"\n")
        lines[file.parent.name] += [*finished, rest] if rest and file.suffix == ".gz" else finished
    return lines


def export_rows(folder: Path, table: str) -> tuple[list[str], list[list[str]]]:
    """The header of an export and its rows, in the order in which they are read."""
    header, rows = [], []
    for name, opened in ((f"{table}.csv", open), (f"{table}.csv.gz", gzip.open)):
        if (folder / "exports" / name).exists():
            with opened(folder / "exports" / name, "rt", newline="", encoding="utf-8") as file:
                header, *more = csv.reader(file)
            rows += more
    return header, rows


class Slices:
    """A sample cut into random slices, each of which can be laid into a landing folder."""

    def __init__(self, sample: Path, count: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = count
        self.sample = sample
        self.logs = [defaultdict(list) for _ in range(count)]
        for server, lines in log_lines(sample).items():
            for line in lines:
                self.logs[self.random.randrange(count)][server].append(line)
        self.exports = {table: self._cut_export(table) for table in KEYS}
        self.contents = {path: self.random.randrange(count) for path in sorted((sample / "contents").iterdir())}

    def _cut_export(self, table: str) -> tuple[list[str], list[list[list[str]]]]:
        """Versions of one row keep their order unless each says when it was modified, all differently.

        Those that name several deliveries stay together: alone, the wrong one would make foreign links, which the gate
        refuses.
        """
        header, rows = export_rows(self.sample, table)
        versions = defaultdict(list)
        for row in rows:
            versions[tuple(row[header.index(column)] for column in KEYS[table])].append(row)
        slices = [[] for _ in range(self.count)]
        for of_one_key in versions.values():
            dates = [row[header.index("modified_at")] if "modified_at" in header else "" for row in of_one_key]
            numbers = [self.random.randrange(self.count) for _ in of_one_key]
            if len(set(dates)) < len(dates) or "" in dates:
                numbers.sort()
            if "delivery_id" in header and len({row[header.index("delivery_id")] for row in of_one_key}) > 1:
                numbers = [max(numbers)] * len(numbers)
            for number, row in zip(numbers, of_one_key, strict=True):
                slices[number].append(row)
        return header, slices

    def lay(self, number: int, landing: Path) -> None:
        """Add a slice's log lines as new files, replace the exports by its rows, add its bodies."""
        for server, lines in self.logs[number].items():
            # Some lines come again, in a file of another name; the first of a slice comes twice in one file.
            again = self.logs[self.random.randrange(number + 1)][server] if self.random.random() < 0.4 else []
            self._write_log(landing, server, f"0x{number:016X}.log", [*lines[:1], *lines])
            self._write_log(landing, server, f"0x{number + 0x1000:016X}.log.gz", again)
        for table, (header, slices) in self.exports.items():
            path = landing / "exports" / f"{table}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([header, *slices[number]])
        for path, its_slice in self.contents.items():
            if its_slice == number:
                (landing / "contents").mkdir(exist_ok=True)
                shutil.copy(path, landing / "contents")

    def _write_log(self, landing: Path, server: str, name: str, lines: list[bytes]) -> None:
        if lines:
            path = landing / "logs" / server / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self.random.shuffle(lines)
            content = b"".join(line + b"\n" for line in lines)
            path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize(
    ("count", "lines"),
    [
        pytest.param(5, 6_000, id="5"),
        pytest.param(100, 50_000, id="100", marks=[pytest.mark.long, pytest.mark.timeout(7200)]),
    ],
)
def test_any_order_gives_the_same_marts(count, lines, pipeline, landing, shown, one_feed, tmp_path):
    sample = tmp_path / "sample"
    # One foreign link is more than 1 % of a slice's few clicks, which the gate refuses.
    options = SampleOptions(lines=lines, without=frozenset({"foreign_messages", "foreign_urls"}))
    generate_sample(options, sample)
    slices = Slices(sample, count, seed=count)
    for number in range(count):
        slices.lay(number, landing.folder)
        assert pipeline.run() is not None
    in_slices = shown()
    at_once = one_feed(sample)
    assert set(in_slices) == set(at_once)
    assert [mart for mart in at_once if at_once[mart] != in_slices[mart]] == []
    assert len(in_slices["tracking_events"]) > lines / 2
    assert recompute_everything(pipeline.warehouse, pipeline.settings, report=pipeline.lines.append) == {}
    assert shown() == at_once
