"""From options to a landing folder full of tracking logs, exports and bodies."""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from message_tracking.sample.campaign import Campaign, Integers, content_files, export_frames
from message_tracking.sample.files import MANIFEST, claim_folder, write_bytes, write_file, write_json
from message_tracking.sample.hashing import fractions
from message_tracking.sample.lines import CORRUPTIONS, KINDS_WITHOUT_ID, log_lines
from message_tracking.sample.options import PREFIXES, SampleOptions
from message_tracking.sample.reactions import Reactions
from message_tracking.sample.tally import Tally

_FIRST_COUNTER = 0x0A000000
_COUNTERS_PER_SERVER = 0x100000000
_LINES_PER_FILE = [8192, 4096]
_CODES_WITHOUT_ID = [place for place, kind in enumerate(CORRUPTIONS, start=1) if kind in KINDS_WITHOUT_ID]

Progress = Callable[[int], None]


def generate_sample(options: SampleOptions, folder: Path, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Write the sample into `folder` and return what was planted, which is also in its planted.json.

    The same options write the same bytes, and what is there already stays untouched. `progress` is told how many
    lines were made since it was last called. Raises MessageTrackingError where the folder holds something else.
    """
    claim_folder(folder, options)
    campaign = Campaign(options)
    for name, frame in export_frames(campaign).items():
        write_file(folder / "exports" / f"{name}.csv", frame.write_csv)
    for name, text in content_files(campaign).items():
        write_bytes(folder / "contents" / name, text.encode())

    tally = Tally(campaign)
    servers = [_Server(options, place, folder / "logs" / f"tracking-{place + 1}") for place in range(options.servers)]
    corrupted_count = 0
    for chunk in Reactions(campaign).chunks():
        events, positions = _numbered(servers, options, chunk, corrupted_count)
        corrupted_count += int((events["corruption"] > 0).sum())
        tally.add(events)
        lines = log_lines(campaign, events)
        for server, places in zip(servers, positions, strict=True):
            server.take(lines.gather(places), events[places])
        progress(chunk.height)
    for server in servers:
        server.finish()

    planted = {
        "options": options.described(),
        "is_complete": True,
        **tally.described(),
        "servers": {server.folder.name: server.described() for server in servers},
    }
    write_json(folder / MANIFEST, planted)
    return planted


@dataclass
class _Server:
    """One tracking server: its own prefix character, ids that run consecutively, files of a fixed number of lines."""

    options: SampleOptions
    place: int
    folder: Path
    line_count: int = 0
    file_count: int = 0
    gzip_file_count: int = 0
    corrupted_line_count: int = 0
    gap_count: int = 0
    newest_ticks: int = 0
    _waiting: list[pl.Series] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return PREFIXES[self.place]

    @property
    def first_counter(self) -> int:
        return _FIRST_COUNTER + self.place * _COUNTERS_PER_SERVER

    @property
    def lines_per_file(self) -> int:
        return _LINES_PER_FILE[self.place % len(_LINES_PER_FILE)]

    def take(self, lines: pl.Series, events: pl.DataFrame) -> None:
        """Append lines; write the files that have become full."""
        self.line_count += lines.len()
        self.corrupted_line_count += int((events["corruption"] > 0).sum())
        self.gap_count += int(events["corruption"].is_in(_CODES_WITHOUT_ID).sum())
        newest = events.filter(pl.col("corruption") == 0)["at"].max()
        self.newest_ticks = max(self.newest_ticks, newest if isinstance(newest, int) else 0)
        waiting = pl.concat([*self._waiting, lines])
        while waiting.len() >= self.lines_per_file:
            self._write(waiting.head(self.lines_per_file))
            waiting = waiting.slice(self.lines_per_file)
        self._waiting = [waiting]

    def finish(self) -> None:
        """Write what is left into a last, shorter file."""
        if self._waiting and self._waiting[0].len():
            self._write(self._waiting[0])

    def described(self) -> dict[str, object]:
        """Counts of this server, as planted.json holds them."""
        newest = pl.select(
            pl.from_epoch(pl.lit(self.newest_ticks * 10), "ms").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        ).item()
        return {
            "prefix": self.prefix,
            "line_count": self.line_count,
            "corrupted_line_count": self.corrupted_line_count,
            "gap_count": self.gap_count,
            "file_count": self.file_count,
            "gzip_file_count": self.gzip_file_count,
            "first_id": f"{self.prefix}0x{self.first_counter:016X}",
            "last_id": f"{self.prefix}0x{self.first_counter + self.line_count - 1:016X}" if self.line_count else "",
            "newest_event_at": newest if self.newest_ticks else None,
        }

    def _write(self, lines: pl.Series) -> None:
        buffer = io.BytesIO()
        lines.to_frame("line").write_csv(buffer, include_header=False, quote_style="never")
        content, suffix = buffer.getvalue(), ".log"
        # Evenly spread, and not the same files on every server.
        share, phase = self.options.gzip_share, self.place % 2 / 2
        if int((self.file_count + 1) * share + phase) > int(self.file_count * share + phase):
            content, suffix = gzip.compress(content, compresslevel=4, mtime=0), ".log.gz"
            self.gzip_file_count += 1
        first = self.first_counter + self.file_count * self.lines_per_file
        write_bytes(self.folder / f"0x{first:016X}{suffix}", content)
        self.file_count += 1


def _numbered(
    servers: list[_Server], options: SampleOptions, events: pl.DataFrame, corrupted_before: int
) -> tuple[pl.DataFrame, list[Integers]]:
    """Give each event its server, `prefix`, `counter` and `corruption`; also return each server's places, in order.

    The first line of a file stays good, and so does a server's last one: an id missing at an end is not a gap.
    """
    serials = events["serial"].to_numpy()
    shares = np.cumsum(1 / np.arange(2, len(servers) + 2))
    chosen = np.searchsorted(shares[:-1], fractions(serials, options.seed + 50) * shares[-1], side="right")
    positions = [np.flatnonzero(chosen == server.place) for server in servers]
    counters = np.zeros(events.height, dtype=np.int64)
    may_be_corrupted = np.ones(events.height, dtype=np.bool_)
    for server, places in zip(servers, positions, strict=True):
        line_numbers = server.line_count + np.arange(places.size)
        counters[places] = server.first_counter + line_numbers
        may_be_corrupted[places] = line_numbers % server.lines_per_file != 0
        may_be_corrupted[places[-1:]] = False
    is_corrupted = may_be_corrupted & (fractions(serials, options.seed + 51) < options.corrupted_share)
    kinds = 1 + (corrupted_before + np.cumsum(is_corrupted) - 1) % len(CORRUPTIONS)
    numbered = events.with_columns(
        pl.Series([server.prefix for server in servers]).gather(pl.Series(chosen)).alias("prefix"),
        pl.Series("counter", counters),
        pl.Series("corruption", np.where(is_corrupted, kinds, 0)),
    )
    return numbered, positions
