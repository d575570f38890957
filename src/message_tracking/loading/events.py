"""Accepted lines into raw.events, each id once, within an open transaction (design §6)."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from message_tracking.loading.binary_copy import FixedColumn, copy_rows, instants
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

_TEXTS = ("field_6", "requester_uuid", "requester_type", "parameters", "client_ip", "field_12")


@dataclass(frozen=True)
class Catalog:
    """What events refer to. It is committed on a connection of its own: it does no harm when the events are not."""

    partitions: MonthlyPartitions
    user_agents: UserAgentIds

    @classmethod
    def on(cls, connection: Connection) -> "Catalog":
        """Keep the catalog through this connection."""
        return cls(MonthlyPartitions(connection), UserAgentIds(connection))


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

    def take(self, accepted: pl.DataFrame) -> pl.Series:
        """Copy the events that are new and count all; returns which rows were new."""
        is_new = self._is_new(accepted)
        events, doubled = accepted.filter(is_new), accepted.filter(~is_new)
        self._copy(events)
        self.added.add(events.select("prefix", "counter"))
        self.other.add(doubled.select("prefix", "counter"))
        for prefix, counters in by_prefix(events.select("prefix", "counter")):
            self.known[prefix] |= IdSet.of_counters(counters)
        record = self.record
        record.accepted_count += events.height
        record.already_loaded_count += doubled.height
        record.replaced_byte_line_count += int(events["has_replaced_bytes"].sum())
        newest = events["occurred_at"].max()
        if isinstance(newest, datetime) and (record.newest_event_at is None or newest > record.newest_event_at):
            record.newest_event_at = newest
        return is_new

    def note_rejected(self, rejected: pl.DataFrame) -> None:
        """Note the ids of rejected lines that could be read: they are no gaps."""
        self.other.add(rejected.select("prefix", "counter"))

    def enter_ids(self) -> None:
        """Enter the ids into the ledger, and take back what another load has committed meanwhile."""
        for prefix in sorted(self.added.sets.keys() | self.other.sets.keys()):
            lock_prefix(self.cursor, self.file.source_id, prefix)
            added = self.added.sets.get(prefix, IdSet())
            doubled = take_out_loaded_elsewhere(self.cursor, self.load_id, self.file.source_id, prefix, added)
            self.record.accepted_count -= doubled
            self.record.already_loaded_count += doubled
            add_ids(self.cursor, self.file, prefix, added, self.other.sets.get(prefix, IdSet()))

    def _is_new(self, accepted: pl.DataFrame) -> pl.Series:
        """Mark the events that neither this pull nor any other of the source has brought before."""
        is_known = np.zeros(accepted.height, dtype=bool)
        prefixes = accepted["prefix"]
        for prefix, counters in by_prefix(accepted.select("prefix", "counter")):
            if prefix not in self.known:
                self.known[prefix] = read_loaded_ids(self.cursor, self.file.source_id, prefix)
            is_known[(prefixes == prefix).to_numpy()] = self.known[prefix].contains(counters)
        return first_of_each(accepted) & ~pl.Series(is_known, dtype=pl.Boolean)

    def _copy(self, events: pl.DataFrame) -> None:
        """Append events to raw.events."""
        if events.is_empty():
            return
        self.catalog.partitions.ensure(events["occurred_at"])
        fixed = [
            FixedColumn("occurred_at", instants(events["occurred_at"]), ">i8"),
            *(FixedColumn(name, events[name], ">i8") for name in ("counter", "message_id", "delivery_id", "url_id")),
            FixedColumn("load_id", self.load_id, ">i8"),
            FixedColumn("user_agent_id", self.catalog.user_agents.of(events["user_agent"]), ">i4"),
            FixedColumn("source_id", self.file.source_id, ">i2"),
            FixedColumn("prefix", events["prefix"].cast(pl.Binary).bin.get(0), ">u1"),
            FixedColumn("has_replaced_bytes", events["has_replaced_bytes"], "?"),
        ]
        copy_rows(self.cursor, ("raw", "events"), events.height, fixed, events.select(_TEXTS))
