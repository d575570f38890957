"""Turning away what comes in of erased persons (spec §7.11): their events, the lines that name them, their rows.

A load calls these in its own transaction just before it ends, under a lock that an erasure takes for itself alone: so
either the erasure sees what the load has brought, or the load sees whom the erasure has named.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the class is spelled so there)

from message_tracking.loading.reference_tables import ReferenceTable

# Any number will do, as long as nothing else in the product locks it.
_DOOR_LOCK = 7_246_225_002

PERSON_ID = """
    encode(
        substring(sha256((select key from ops.person_key) || convert_to(lower({uuid}), 'UTF8')) from 1 for 16), 'hex'
    )::uuid
"""
"""The `person_id` of a requester, whose UUID stands in a column. A function would take four times as long."""

_EVENTS = f"""
    delete from raw.events as arriving
    where
        load_id = %s
        and (
            message_id in (select message_id from ops.erased_messages)
            or (
                requester_uuid <> ''
                and {PERSON_ID.format(uuid="requester_uuid")} in (select person_id from ops.erased_persons)
            )
        )
    returning prefix::text, counter
"""  # noqa: S608  (a text of this module)
# Whatever is wrong with the line, its third field is the message where it can be read so.
_REJECTED_LINES = """
    with named as (
        select
            rejected_line_id,
            substring(encode(raw_line, 'escape') from '^[^\\t]*\\t[^\\t]*\\t([0-9A-Fa-f]{1,8})\\t') as hex
        from raw.rejected_lines
        where load_id = %s
    )
    delete from raw.rejected_lines as arriving
    using named
    where
        arriving.rejected_line_id = named.rejected_line_id
        and ('x' || lpad(named.hex, 8, '0'))::bit(32)::integer in (select message_id from ops.erased_messages)
    returning arriving.reason
"""


def close_door(cursor: Cursor) -> None:
    """Keep all loads from ending until this transaction does. Waits for those that are about to."""
    cursor.execute("select pg_advisory_xact_lock(%s)", (_DOOR_LOCK,))


def turn_away_events(cursor: Cursor, load_id: int) -> dict[str, NDArray[np.int64]]:
    """Delete the events of erased persons that a load has brought; return their counters by prefix."""
    if not _is_anyone_erased(cursor):
        return {}
    cursor.execute(_EVENTS, (load_id,))
    found: dict[str, list[int]] = {}
    for prefix, counter in cursor.fetchall():
        found.setdefault(prefix, []).append(counter)
    return {prefix: np.array(counters, dtype=np.int64) for prefix, counters in found.items()}


def turn_away_rejected_lines(cursor: Cursor, load_id: int) -> Counter[str]:
    """Delete the rejected lines of a load that name an erased person's message; return how many by reason."""
    if not _is_anyone_erased(cursor):
        return Counter()
    cursor.execute(_REJECTED_LINES, (load_id,))
    return Counter(reason for (reason,) in cursor.fetchall())


def turn_away_rows(cursor: Cursor, table: ReferenceTable, stage: sql.Composable) -> int:
    """Delete the rows of erased persons from a stage of reference data; return how many there were.

    Messages that are new are noted: their events are erased too. Requests for erasure are no persons' data.
    """
    if "recipient_id" not in table.columns or table.name == "erasures" or not _is_anyone_erased(cursor):
        return 0
    is_erased = sql.SQL("recipient_id in (select recipient_id from ops.erased_recipients)")
    if table.name == "messages":
        cursor.execute(
            sql.SQL(
                "insert into ops.erased_messages (message_id) select message_id from pg_temp.{} where {} "
                "on conflict do nothing"
            ).format(stage, is_erased)
        )
        is_erased = sql.SQL("message_id in (select message_id from ops.erased_messages)")
    cursor.execute(sql.SQL("delete from pg_temp.{} where {}").format(stage, is_erased))
    return cursor.rowcount


def _is_anyone_erased(cursor: Cursor) -> bool:
    """Let no erasure begin before this transaction ends, and say whether there was one."""
    cursor.execute("select pg_advisory_xact_lock_shared(%s)", (_DOOR_LOCK,))
    cursor.execute("select exists (select from ops.erasures)")
    return bool(cursor.fetchall()[0][0])
