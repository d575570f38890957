"""What comes in day by day after a sample: some of its events once more at a later time, and changed reference data."""

import csv
from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

BYTES = "latin-1"
"""Reads and writes any byte as it is: user agents need not be UTF-8."""

FIRST_COUNTER = 0xB000000000
LATER = timedelta(days=30)
"""So much later than in the sample the first slice is: it ends before."""


class Slices:
    """Writes slices into a sample's landing folder: each of one delivery, the one after the other."""

    def __init__(self, folder: Path, line_count: int) -> None:
        self.folder = folder
        self.line_count = line_count
        self.counters = count(FIRST_COUNTER)
        self.days = count()
        self.urls = _rows(folder / "exports" / "tracked_urls.csv")
        self.deliveries = {int(row["delivery_id"]): row for row in _rows(folder / "exports" / "deliveries.csv")}
        self.lines = _lines_by_delivery(folder, self.deliveries.keys())
        self.turns = self._turns()

    def write(self) -> int:
        """Write a log of the next delivery, and that delivery under a new label; returns its id."""
        delivery_id = next(self.turns)
        day = next(self.days)
        lines = list(self._later(self.lines[delivery_id][: self.line_count], LATER + timedelta(days=day)))
        log = self.folder / "logs" / "later" / f"0x{int(lines[0][3:19], 16):016X}.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text("".join(f"{line}\n" for line in lines), encoding=BYTES)
        described = self.deliveries[delivery_id]
        label = f"{described['label']}, day {day}"
        self._export("deliveries", [described | {"label": label, "modified_at": "2026-06-01T00:00:00Z"}])
        return delivery_id

    def give_links_away(self, delivery_id: int) -> None:
        """Export this delivery's tracked URLs as another one's, which the gate refuses where they were clicked."""
        other = next(iter(self.lines.keys() - {delivery_id}))
        self._export("tracked_urls", [row | {"delivery_id": other} for row in self._urls_of(delivery_id)])

    def give_links_back(self, delivery_id: int) -> None:
        """Export its tracked URLs as they were."""
        self._export("tracked_urls", self._urls_of(delivery_id))

    def _turns(self) -> Iterator[int]:
        while True:
            yield from self.lines

    def _urls_of(self, delivery_id: int) -> list[dict[str, str]]:
        return [row for row in self.urls if int(row["delivery_id"]) == delivery_id]

    def _later(self, lines: list[list[str]], by: timedelta) -> Iterator[str]:
        for _, occurred_at, *rest in lines:
            at = datetime.fromisoformat(occurred_at[:19]) + by
            yield "\t".join((f"Z0x{next(self.counters):016X}", at.isoformat(), *rest))

    def _export(self, name: str, rows: list[dict[str, str]]) -> None:
        with (self.folder / "exports" / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def _lines_by_delivery(folder: Path, described: Collection[int]) -> dict[int, list[list[str]]]:
    """The fields of the lines of one log, of the described deliveries that have many; it must hold no bad line."""
    lines = defaultdict(list)
    for line in next(folder.glob("logs/*/*.log")).read_text(encoding=BYTES).split("\n")[:-1]:
        fields = line.split("\t")
        lines[int(fields[3], 16)].append(fields)
    return {number: lines[number] for number in lines if number in described and len(lines[number]) > 100}
