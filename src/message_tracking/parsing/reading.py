"""Blocks of log lines into events: plain lines by the place of their bytes, the others by the grammar."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from message_tracking.native import PADDING, PlainLines
from message_tracking.parsing.log_events import POSTGRES_EPOCH, POSTGRES_EPOCH_US, LogEvents
from message_tracking.parsing.tracking_log import LONGEST_AHEAD, REJECTED_SCHEMA, parse_block, to_utc

_ANY_OFFSET = timedelta(hours=26)
"""More than any time zone is away from UTC, with a gap of its clock."""


@dataclass(frozen=True)
class ReadBlock:
    """The lines of one block. Every line is in exactly one of the two."""

    line_count: int
    events: LogEvents
    rejected: pl.DataFrame
    """Columns of REJECTED_SCHEMA."""

    @property
    def accepted_line(self) -> NDArray[np.int64]:
        """The accepted lines, counted from 0 in the block."""
        return self.events.line


def read_block(block: bytes, *, time_zone: str = "UTC", loaded_at: datetime | None = None) -> ReadBlock:
    """Judge the lines of a block exactly as `parse_block` does, in a fraction of the time where they are plain."""
    if block and not block.endswith(b"\n"):
        block += b"\n"
    loaded_at = loaded_at or datetime.now(UTC)
    data = np.frombuffer(block + bytes(PADDING), dtype=np.uint8)
    lines = PlainLines(data, len(block), block.count(b"\n"), *_clock_range(loaded_at, is_utc=time_zone == "UTC"))
    if time_zone != "UTC":
        lines.numbers[:, 0] = _in_utc(lines.numbers[:, 0], time_zone)
    events = LogEvents(
        data, lines.line, lines.prefix, lines.numbers, lines.texts, np.zeros(len(lines.line), dtype=bool)
    )
    if not len(lines.odd_line):
        return ReadBlock(len(events), events, REJECTED_SCHEMA.to_frame())
    others, rejected = _judged(block, lines, time_zone, loaded_at)
    return ReadBlock(len(events) + len(lines.odd_line), events.merged_with(others), rejected)


def _judged(block: bytes, lines: PlainLines, time_zone: str, loaded_at: datetime) -> tuple[LogEvents, pl.DataFrame]:
    """Judge the lines that are not plain by the grammar."""
    line, start = lines.odd_line, lines.odd_start
    begins_piece = np.concatenate([[True], start[1:] != lines.odd_end[:-1]])
    ends_piece = np.concatenate([begins_piece[1:], [True]])
    pieces = zip(start[begins_piece].tolist(), lines.odd_end[ends_piece].tolist(), strict=True)
    judged = parse_block(
        b"".join([block[first:end] for first, end in pieces]), time_zone=time_zone, loaded_at=loaded_at
    )
    accepted, rejected = judged.accepted["line"].to_numpy(), judged.rejected["line"].to_numpy()
    return (
        LogEvents.of_frame(judged.accepted.with_columns(line=pl.Series(line[accepted]))),
        judged.rejected.with_columns(
            line=pl.Series(line[rejected].astype(np.uint32)), byte_offset=pl.Series(start[rejected])
        ),
    )


def _clock_range(loaded_at: datetime, *, is_utc: bool) -> tuple[int, int]:
    """Between which times of the log's clock a line is surely in the range that the strict layer asks for."""
    margin = timedelta() if is_utc else _ANY_OFFSET
    latest = loaded_at.astimezone(UTC) + LONGEST_AHEAD - margin
    return margin // timedelta(microseconds=1), (latest - POSTGRES_EPOCH) // timedelta(microseconds=1)


def _in_utc(clock: NDArray[np.int64], time_zone: str) -> NDArray[np.int64]:
    """Read times of the log's clock in its time zone."""
    local = pl.Series("local", clock + POSTGRES_EPOCH_US).cast(pl.Datetime("us"))
    instants = local.to_frame().select(to_utc(pl.col("local"), time_zone).dt.epoch("us")).to_series()
    return instants.to_numpy() - POSTGRES_EPOCH_US
