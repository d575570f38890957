"""Accepted lines into raw.events, each id once, within an open transaction (design §6)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from message_tracking.loading.binary_copy import copy_encoded
from message_tracking.loading.erased import turn_away_events
from message_tracking.loading.id_ranges import (
    IdsByPrefix,
    IdSet,
    add_ids,
    by_prefix,
    first_of_each,
    lock_prefix,
    read_loaded_ids,
    take_out_loaded_elsewhere,
)
from message_tracking.loading.ledger import FileKey, PullRecord
from message_tracking.loading.partitions import MonthlyPartitions
from message_tracking.loading.user_agents import UserAgentIds
from message_tracking.native import event_rows
from message_tracking.parsing.log_events import NUMBERS, POSTGRES_EPOCH, TEXTS, LogEvents
from message_tracking.parsing.reading import ReadBlock

_COLUMNS = (
    *NUMBERS,
    "load_id",
    "user_agent_id",
    "source_id",
    "prefix",
    "has_replaced_bytes",
    *(name for name in TEXTS if name != "user_agent"),
)
"""As `event_rows` lays them out."""


@dataclass(frozen=True)
class Catalog:
    """What events refer to. It is committed on a connection of its own: it does no harm when the events are not."""

    connection: Connection
    partitions: MonthlyPartitions
    user_agents: UserAgentIds

    @classmethod
    def on(cls, connection: Connection) -> "Catalog":
        """Keep the catalog through this connection."""
        return cls(connection, MonthlyPartitions(connection), UserAgentIds(connection))

    def loaded_ids(self, source_id: int, prefix: str) -> IdSet:
        """Read what any server of a source has loaded under a prefix."""
        with self.connection, self.connection.cursor() as cursor:
            return read_loaded_ids(cursor, source_id, prefix)


class EventWriter:
    """Takes the events of one pull; its record counts them."""

    def __init__(self, cursor: Cursor, catalog: Catalog, file: FileKey, load_id: int, record: PullRecord) -> None:
        self.cursor = cursor
        self.catalog = catalog
        self.file = file
        self.load_id = load_id
        self.record = record
        self.known: dict[str, IdSet] = {}
        self.added = IdsByPrefix()
        self.other = IdsByPrefix()
        self.erased: dict[str, IdSet] = {}

    def take(self, lines: ReadBlock) -> None:
        """Copy the events that are new and count all."""
        self.prepare(lines)()

    def prepare(self, lines: ReadBlock) -> Callable[[], None]:
        """Count the events and lay out those that are new; what is returned copies them.

        That may be called in another thread, while the next events are prepared: what is read here for them is read on
        the catalog's connection.
        """
        accepted = lines.events
        is_new = self._is_new(accepted)
        events = accepted if is_new.all() else accepted.take(is_new)
        doubled = accepted.take(~is_new)
        self.added.add(events.prefix, events.counter)
        self.other.add(doubled.prefix, doubled.counter)
        for prefix, counters in by_prefix(events.prefix, events.counter):
            self.known[prefix] |= IdSet.of_counters(counters)
        record = self.record
        record.accepted_count += len(events)
        record.already_loaded_count += len(doubled)
        record.replaced_byte_line_count += int(events.has_replaced_bytes.sum())
        return self.copying(events)

    def note_rejected(self, rejected: pl.DataFrame) -> None:
        """Note the ids of rejected lines that could be read: they are no gaps."""
        ids = rejected.select("prefix", "counter").drop_nulls()
        prefix = ids["prefix"].cast(pl.Binary).bin.get(0).to_numpy().astype(np.uint8)
        self.other.add(prefix, ids["counter"].to_numpy())

    def turn_away_erased(self) -> None:
        """Take back the events of erased persons. Their ids are not loaded, and no gaps either."""
        erased = turn_away_events(self.cursor, self.load_id)
        count = sum(len(counters) for counters in erased.values())
        self.record.accepted_count -= count
        self.record.erased_count += count
        self._forget_ids(erased)

    def _forget_ids(self, erased: Mapping[str, NDArray[np.int64]]) -> None:
        """Let the ids, by prefix, not count as loaded."""
        self.erased = {prefix: IdSet.of_counters(counters) for prefix, counters in erased.items()}

    def enter_ids(self) -> None:
        """Enter the ids into the ledger, and take back what another load has committed meanwhile."""
        for prefix in sorted(self.added.sets.keys() | self.other.sets.keys()):
            lock_prefix(self.cursor, self.file.source_id, prefix)
            added = self.added.sets.get(prefix, IdSet())
            doubled = take_out_loaded_elsewhere(self.cursor, self.load_id, self.file.source_id, prefix, added)
            self.record.accepted_count -= doubled
            self.record.already_loaded_count += doubled
            other, erased = self.other.sets.get(prefix, IdSet()), self.erased.get(prefix, IdSet())
            add_ids(self.cursor, self.file, prefix, added, other, erased=erased)

    def _is_new(self, accepted: LogEvents) -> NDArray[np.bool_]:
        """Mark the events that neither this pull nor any other of the source has brought before."""
        is_new = first_of_each(accepted.prefix, accepted.counter)
        for prefix, counters in by_prefix(accepted.prefix, accepted.counter):
            if prefix not in self.known:
                self.known[prefix] = self.catalog.loaded_ids(self.file.source_id, prefix)
            is_new[accepted.prefix == ord(prefix)] &= ~self.known[prefix].contains(counters)
        return is_new

    def copying(self, events: LogEvents) -> Callable[[], None]:
        """Lay out events for raw.events, and note the newest; what is returned appends them."""
        if not len(events):
            return lambda: None
        newest = POSTGRES_EPOCH + timedelta(microseconds=int(events.occurred_at.max()))
        self.record.newest_event_at = max(self.record.newest_event_at or newest, newest)
        self.catalog.partitions.ensure(events.occurred_at)
        rows = event_rows(
            events.buffer,
            events.prefix,
            events.numbers,
            events.texts,
            events.has_replaced_bytes,
            self.catalog.user_agents.of(events),
            self.load_id,
            self.file.source_id,
        )
        return partial(copy_encoded, self.cursor, ("raw", "events"), _COLUMNS, rows)
