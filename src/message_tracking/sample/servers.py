"""Tracking servers: which lines each one logs, with which ids, into which files."""

import gzip
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from message_tracking.sample.deliveries import Integers
from message_tracking.sample.files import write_bytes
from message_tracking.sample.hashing import fractions
from message_tracking.sample.lines import CORRUPTIONS, KINDS_WITHOUT_ID, line_bytes
from message_tracking.sample.options import PREFIXES, SampleOptions

_FIRST_COUNTER = 0x0A000000
_COUNTERS_PER_SERVER = 0x100000000
_COUNTERS_PER_CAMPAIGN = 0x10000000000
_RENAMED = 0x4000000000000000
"""Added to the name of a file that is a copy."""
_LINES_PER_FILE = [8192, 4096]
_LINES_PER_GAP, _GAP = 1_000, 3
"""After 500 lines, and then of this many, so many ids are missing."""
_CODES_WITHOUT_ID = [place for place, kind in enumerate(CORRUPTIONS, start=1) if kind in KINDS_WITHOUT_ID]


@dataclass
class Server:
    """One tracking server: its own prefix character, ids in the order of its lines, logs of a fixed number of lines."""

    options: SampleOptions
    place: int
    folder: Path
    line_count: int = 0
    corrupted_line_count: int = 0
    repeated_line_count: int = 0
    repeated_corrupted_line_count: int = 0
    file_count: int = 0
    gzip_file_count: int = 0
    unfinished_line: str = ""
    _log_count: int = 0
    _unreadable_id_count: int = 0
    _newest_ticks: int = 0
    _waiting: list[pa.Table] = field(default_factory=list)
    """Lines that do not fill a log yet, with whether they are corrupted."""
    _last: list[pa.Table] = field(default_factory=list)
    """Lines of the last two logs."""

    @property
    def prefix(self) -> str:
        """First character of the log ids."""
        return PREFIXES[self.place]

    @property
    def lines_per_file(self) -> int:
        """Lines of every log but the last."""
        return _LINES_PER_FILE[self.place % len(_LINES_PER_FILE)]

    def counters(self, line_numbers: Integers) -> Integers:
        """The number in the id of each line."""
        first = _FIRST_COUNTER + self.place * _COUNTERS_PER_SERVER + self.options.number * _COUNTERS_PER_CAMPAIGN
        return np.asarray(first + line_numbers + self._missing_before(line_numbers))

    def number(self, count: int) -> Integers:
        """Make room for lines that are yet to be written; return which ones they are of all of this server."""
        self.line_count += count
        return np.arange(self.line_count - count, self.line_count)

    def take(self, lines: pa.BinaryArray, events: pl.DataFrame) -> None:
        """Append lines that were numbered; write the logs that have become full."""
        is_corrupted = events["corruption"] > 0
        self.corrupted_line_count += int(is_corrupted.sum())
        self._unreadable_id_count += int(events["corruption"].is_in(_CODES_WITHOUT_ID).sum())
        newest = events.filter(~is_corrupted)["at"].max()
        self._newest_ticks = max(self._newest_ticks, newest if isinstance(newest, int) else 0)
        taken = pa.table({"line": lines, "is_corrupted": is_corrupted.to_arrow()})
        waiting = pa.concat_tables([*self._waiting, taken])
        while waiting.num_rows >= self.lines_per_file:
            self._write_log(waiting.slice(0, self.lines_per_file))
            waiting = waiting.slice(self.lines_per_file)
        self._waiting = [waiting]

    def finish(self) -> None:
        """Write what is left into a last, shorter log, and what is delivered again."""
        if self._waiting and self._waiting[0].num_rows:
            rest = b""
            if self.options.has("unfinished_lines") and not self._packs(self._log_count):
                self.unfinished_line = self._following(self._waiting[0]["line"][-1].as_py().decode())
                rest = self.unfinished_line.encode()[: len(self.unfinished_line) // 2]
            self._write_log(self._waiting[0], rest)
        if self._last and self.options.has("repeated_files"):
            self._repeat()

    def described(self) -> dict[str, object]:
        """Counts of this server, as planted.json holds them.

        `line_count` and `corrupted_line_count` leave out repeats. `unfinished_line` is the whole line of which the
        newest file holds the first half; no other figure counts it.
        """
        newest = pl.select(
            pl.from_epoch(pl.lit(self._newest_ticks * 10), "ms").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        ).item()
        return {
            "prefix": self.prefix,
            "line_count": self.line_count,
            "corrupted_line_count": self.corrupted_line_count,
            "repeated_line_count": self.repeated_line_count,
            "repeated_corrupted_line_count": self.repeated_corrupted_line_count,
            "gap_count": self._unreadable_id_count + self.missing_id_count,
            "file_count": self.file_count,
            "gzip_file_count": self.gzip_file_count,
            "first_id": self._id(0),
            "last_id": self._id(self.line_count - 1) if self.line_count else "",
            "newest_event_at": newest if self._newest_ticks else None,
            "unfinished_line": self.unfinished_line,
        }

    @property
    def missing_id_count(self) -> int:
        """Ids that no line was given."""
        return int(self._missing_before(np.array([max(self.line_count - 1, 0)]))[0])

    def _missing_before(self, line_numbers: Integers) -> Integers:
        gap = _GAP if self.options.has("id_gaps") else 0
        return np.asarray((line_numbers + _LINES_PER_GAP // 2) // _LINES_PER_GAP * gap)

    def _counter(self, line_number: int) -> int:
        return int(self.counters(np.array([line_number]))[0])

    def _id(self, line_number: int) -> str:
        return f"{self.prefix}0x{self._counter(line_number):016X}"

    def _following(self, line: str) -> str:
        """The line that the log would go on with: the last event, once more."""
        last_id = self._id(self.line_count - 1)
        next_id = f"{self.prefix}0x{self._counter(self.line_count - 1) + 1:016X}"
        return (next_id + line.removeprefix(last_id)).rstrip("\r\n")

    def _packs(self, log_number: int) -> bool:
        """Whether a log is gzipped: evenly spread, and not the same ones on every server."""
        share, phase = self.options.gzip_share, self.place % 2 / 2
        return int((log_number + 1) * share + phase) > int(log_number * share + phase)

    def _write_log(self, lines: pa.Table, rest: bytes = b"") -> None:
        counter = self._counter(self._log_count * self.lines_per_file)
        self._write(counter, line_bytes(lines["line"]) + rest, packed=self._packs(self._log_count))
        self._log_count += 1
        self._last = [*self._last[-1:], lines]

    def _repeat(self) -> None:
        """Deliver lines again, each server in another way."""
        lines, packed = self._last[-1], False
        counter = self._counter((self._log_count - 1) * self.lines_per_file)
        match self.place % 3:
            case 0:  # the last log under another name
                counter += _RENAMED
            case 1:  # a file that begins within one log and, where there are two, ends within the next
                known = pa.concat_tables(self._last)
                skipped = max(self._last[0].num_rows // 2, 1)
                counter = self._counter(self.line_count - known.num_rows + skipped)
                lines = known[skipped : known.num_rows - (lines.num_rows // 2 if len(self._last) > 1 else 0)]
            case _:  # the last log packed as well as plain
                packed = not self._packs(self._log_count - 1)
        if lines.num_rows:
            self.repeated_line_count += lines.num_rows
            self.repeated_corrupted_line_count += pc.sum(lines["is_corrupted"]).as_py()
            self._write(counter, line_bytes(lines["line"]), packed=packed)

    def _write(self, first_counter: int, content: bytes, *, packed: bool) -> None:
        content = gzip.compress(content, compresslevel=4, mtime=0) if packed else content
        write_bytes(self.folder / f"0x{first_counter:016X}.log{'.gz' if packed else ''}", content)
        self.file_count += 1
        self.gzip_file_count += packed


def with_ids(
    servers: list[Server], options: SampleOptions, events: pl.DataFrame, corrupted_before: int
) -> tuple[pl.DataFrame, list[Integers]]:
    """Give each event its server, `counter` and `corruption`; also return each server's places, in order.

    The first line of a file stays good, and so does a server's last one: an id missing at an end is not a gap.
    """
    serials = events["serial"].to_numpy()
    shares = np.cumsum(1 / np.arange(2, len(servers) + 2))
    chosen = np.searchsorted(shares[:-1], fractions(serials, options.seed + 50) * shares[-1], side="right")
    positions = [np.flatnonzero(chosen == server.place) for server in servers]
    counters = np.zeros(events.height, dtype=np.int64)
    may_be_corrupted = np.full(events.height, options.has("corrupted_lines"))
    for server, places in zip(servers, positions, strict=True):
        line_numbers = server.number(places.size)
        counters[places] = server.counters(line_numbers)
        may_be_corrupted[places[line_numbers % server.lines_per_file == 0]] = False
        may_be_corrupted[places[-1:]] = False
    is_corrupted = may_be_corrupted & (fractions(serials, options.seed + 51) < options.corrupted_share)
    kinds = 1 + (corrupted_before + np.cumsum(is_corrupted) - 1) % len(CORRUPTIONS)
    numbered = events.with_columns(
        pl.Series("counter", counters),
        pl.Series("corruption", np.where(is_corrupted, kinds, 0)),
    )
    return numbered, positions
