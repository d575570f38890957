"""Accepted log lines as columns of plain numbers and texts in a buffer: the form in which they are loaded."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

NUMBERS = ("occurred_at", "counter", "message_id", "delivery_id", "url_id")
"""Columns of `LogEvents.numbers`. `occurred_at` is in microseconds since 2000-01-01 UTC, the form of a timestamptz."""
TEXTS = ("field_6", "requester_uuid", "requester_type", "parameters", "user_agent", "client_ip", "field_12")
"""Columns of `LogEvents.texts`."""
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
POSTGRES_EPOCH_US = 946_684_800_000_000
"""The same in microseconds since 1970-01-01."""


@dataclass(frozen=True)
class LogEvents:
    """Lines that were accepted, in the order of the log; n rows."""

    buffer: NDArray[np.uint8]
    """Bytes in which the texts lie, UTF-8."""
    line: NDArray[np.int64]
    """Counts from 0 in the block."""
    prefix: NDArray[np.uint8]
    """The prefix character's code."""
    numbers: NDArray[np.int64]
    """Of shape (n, NUMBERS); ids are signed 32-bit."""
    texts: NDArray[np.int32]
    """Where the texts lie: shape (n, TEXTS, 2), start and end in the buffer; -1 is null, as only `field_12` may be."""
    has_replaced_bytes: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.line)

    @property
    def occurred_at(self) -> NDArray[np.int64]:
        """Microseconds since 2000-01-01 UTC."""
        return self.numbers[:, 0]

    @property
    def counter(self) -> NDArray[np.int64]:
        """The counter of the log id."""
        return self.numbers[:, 1]

    def take(self, rows: NDArray[Any]) -> "LogEvents":
        """Keep some rows, given by mask or by number."""
        return LogEvents(
            self.buffer,
            self.line[rows],
            self.prefix[rows],
            self.numbers[rows],
            self.texts[rows],
            self.has_replaced_bytes[rows],
        )

    @classmethod
    def of_frame(cls, accepted: pl.DataFrame) -> "LogEvents":
        """Take over the rows of a frame of ACCEPTED_SCHEMA."""
        texts = np.empty((accepted.height, len(TEXTS), 2), dtype=np.int32)
        buffers: list[NDArray[np.uint8]] = []
        size = 0
        for column, name in enumerate(TEXTS):
            values = accepted[name].fill_null("").rechunk().to_arrow().cast(pa.large_binary())
            _, offsets, data = values.buffers()
            ends = np.frombuffer(offsets, dtype=np.int64)[values.offset : values.offset + accepted.height + 1]
            texts[:, column, 0], texts[:, column, 1] = ends[:-1] + size, ends[1:] + size
            buffers.append(np.frombuffer(data or b"", dtype=np.uint8))
            size += len(buffers[-1])
        texts[accepted["field_12"].is_null().to_numpy(), TEXTS.index("field_12")] = -1
        frame = accepted.with_columns(pl.col("occurred_at").dt.epoch("us") - POSTGRES_EPOCH_US)
        return cls(
            np.concatenate(buffers),
            accepted["line"].cast(pl.Int64).to_numpy(),
            accepted["prefix"].cast(pl.Binary).bin.get(0).to_numpy().astype(np.uint8),
            np.stack([frame[name].to_numpy() for name in NUMBERS], axis=1),
            texts,
            accepted["has_replaced_bytes"].to_numpy(),
        )

    def merged_with(self, other: "LogEvents") -> "LogEvents":
        """Put the rows of two parts of one block into the order of its lines."""
        moved = np.where(other.texts < 0, other.texts, other.texts + np.int32(len(self.buffer)))
        both = LogEvents(
            np.concatenate([self.buffer, other.buffer]),
            np.concatenate([self.line, other.line]),
            np.concatenate([self.prefix, other.prefix]),
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.texts, moved]),
            np.concatenate([self.has_replaced_bytes, other.has_replaced_bytes]),
        )
        return both.take(np.argsort(both.line, kind="stable"))
