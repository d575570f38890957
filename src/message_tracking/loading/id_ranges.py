"""Sets of 64-bit counters kept as ranges: ids run consecutively, so a million of them is one range (spec §2.5)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the class is spelled so there)

from message_tracking.loading.ledger import FileKey, lock_until_commit

MAX_COUNTER = (1 << 63) - 1
Counters = NDArray[np.int64]
Prefixes = NDArray[np.uint8]


def _nothing() -> Counters:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class IdSet:
    """Disjoint ranges in ascending order, both ends included."""

    first: Counters = field(default_factory=_nothing)
    last: Counters = field(default_factory=_nothing)

    @classmethod
    def of_ranges(cls, first: Counters, last: Counters) -> "IdSet":
        """Build a set from ranges in any order that may overlap."""
        if not len(first):
            return cls()
        order = np.argsort(first, kind="stable")
        first, reach = first[order], np.maximum.accumulate(last[order])
        begins = np.concatenate([[True], first[1:] - 1 > reach[:-1]])
        ends = np.concatenate([begins[1:], [True]])
        return cls(first[begins], reach[ends])

    @classmethod
    def of_counters(cls, counters: Counters) -> "IdSet":
        """Build a set from counters in any order."""
        return cls.of_ranges(counters, counters)

    def __or__(self, other: "IdSet") -> "IdSet":
        """Return what is in either."""
        return IdSet.of_ranges(np.concatenate([self.first, other.first]), np.concatenate([self.last, other.last]))

    def __len__(self) -> int:
        """Return the number of ranges."""
        return len(self.first)

    def contains(self, counters: Counters) -> NDArray[np.bool_]:
        """Say of each counter whether it is in the set."""
        if not len(self):
            return np.zeros(len(counters), dtype=bool)
        place = np.searchsorted(self.first, counters, side="right") - 1
        found: NDArray[np.bool_] = (place >= 0) & (counters <= self.last[place])
        return found

    def multirange(self) -> str:
        """Write the set as an int8multirange. A range that holds 2^63-1 has no upper bound: its end would be 2^63."""
        ends = ("" if last == MAX_COUNTER else str(last + 1) for last in self.last.tolist())
        return "{" + ",".join(f"[{first},{end})" for first, end in zip(self.first.tolist(), ends, strict=True)) + "}"


class IdsByPrefix:
    """One set of counters for each prefix character."""

    def __init__(self) -> None:
        self.sets: dict[str, IdSet] = {}

    def add(self, prefixes: Prefixes, counters: Counters) -> None:
        """Add ids, given as codes of prefix characters and counters."""
        for prefix, those in by_prefix(prefixes, counters):
            self.sets[prefix] = self.sets.get(prefix, IdSet()) | IdSet.of_counters(those)


def by_prefix(prefixes: Prefixes, counters: Counters) -> list[tuple[str, Counters]]:
    """Split counters by prefix character, of which there are at most 62."""
    if len(prefixes) and (prefixes == prefixes[0]).all():
        return [(chr(prefixes[0]), counters)]
    return [(chr(prefix), counters[prefixes == prefix]) for prefix in np.unique(prefixes)]


def first_of_each(prefixes: Prefixes, counters: Counters) -> NDArray[np.bool_]:
    """Mark the first row of each (prefix, counter)."""
    is_first = np.zeros(len(counters), dtype=bool)
    for prefix, those in by_prefix(prefixes, counters):
        is_of_prefix = prefixes == ord(prefix)
        if (those[1:] > those[:-1]).all():
            is_first[is_of_prefix] = True
        else:
            is_first[np.flatnonzero(is_of_prefix)[np.unique(those, return_index=True)[1]]] = True
    return is_first


def read_loaded_ids(cursor: Cursor, source_id: int, prefix: str) -> IdSet:
    """Read what any server of a source has loaded under a prefix."""
    cursor.execute(
        "select lower(ids), coalesce(upper(ids) - 1, %s) from ops.id_ranges, unnest(loaded_ids) as ids "
        'where source_id = %s and prefix = %s::"char"',
        (MAX_COUNTER, source_id, prefix),
    )
    ranges = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)
    return IdSet.of_ranges(ranges[:, 0], ranges[:, 1])


def lock_prefix(cursor: Cursor, source_id: int, prefix: str) -> None:
    """Keep other loads of a (source, prefix) from committing until this transaction ends."""
    lock_until_commit(cursor, f"ids {source_id} {prefix}")


def take_out_loaded_elsewhere(cursor: Cursor, load_id: int, source_id: int, prefix: str, added: IdSet) -> int:
    """Delete this load's rows that another load has committed meanwhile, and return how many. Under `lock_prefix`."""
    cursor.execute(
        """
        select (range_agg(ids) * %s::int8multirange)::text
        from ops.id_ranges, unnest(loaded_ids) as ids
        where source_id = %s and prefix = %s::"char"
        """,
        (added.multirange(), source_id, prefix),
    )
    doubled = cursor.fetchall()[0][0]
    if doubled in {None, "{}"}:
        return 0
    cursor.execute(
        'delete from raw.events where load_id = %s and prefix = %s::"char" and counter <@ %s::int8multirange',
        (load_id, prefix, doubled),
    )
    return cursor.rowcount


def add_ids(  # noqa: PLR0913  (what is taken from `loaded` goes by name)
    cursor: Cursor, file: FileKey, prefix: str, loaded: IdSet, other: IdSet, *, erased: IdSet
) -> None:
    """Add counters to the ledger of a (source, server, prefix).

    Of `loaded` it takes what no other server has and what is not `erased`: those are known, but not loaded.
    """
    cursor.execute(
        """
        insert into ops.id_ranges as known (source_id, server, prefix, loaded_ids, other_ids)
        select
            %(source)s, %(server)s, %(prefix)s::"char",
            %(loaded)s::int8multirange - elsewhere.ids,
            %(other)s::int8multirange + (%(loaded)s::int8multirange * elsewhere.ids)
        from (
            select coalesce(range_agg(ids), '{}'::int8multirange) + %(erased)s::int8multirange as ids
            from ops.id_ranges, unnest(loaded_ids) as ids
            where source_id = %(source)s and prefix = %(prefix)s::"char"
        ) as elsewhere
        on conflict (source_id, prefix, server) do update
        set loaded_ids = known.loaded_ids + excluded.loaded_ids, other_ids = known.other_ids + excluded.other_ids
        """,
        {
            "source": file.source_id,
            "server": file.server,
            "prefix": prefix,
            "loaded": loaded.multirange(),
            "other": other.multirange(),
            "erased": erased.multirange(),
        },
    )
