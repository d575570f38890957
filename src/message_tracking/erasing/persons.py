"""Whom an erasure is about, and by what traces they are known."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the class is spelled so there)
from psycopg2.extras import execute_values

_CHOOSE = """
    -- The number that stands for a recipient from now on is none that a source gives: Campaign's are above -2^31.
    create temporary table erasing on commit drop as
    select recipient_id, -(2::bigint << 60) - (random() * (2::bigint << 59))::bigint as surrogate_id
    from (
        select recipient_id from pg_temp.asked
        union
        select recipient_id from raw.erasures where %(listed)s and superseded_by_load_id is null
    ) as asked
    where recipient_id <> 0 and recipient_id not in (select recipient_id from ops.erased_recipients);

    create temporary table erasing_messages on commit drop as
    select message_id from raw.messages
    where recipient_id in (select recipient_id from pg_temp.erasing) and message_id <> 0
    union
    select message_id from ops.erased_messages where erasure_id is null;

    create temporary table erasing_events on commit drop as
    select requester_uuid, client_ip from raw.events
    where message_id in (select message_id from pg_temp.erasing_messages);

    create temporary table erasing_uuids on commit drop as
    with found as (
        select distinct lower(requester_uuid) as uuid from pg_temp.erasing_events where requester_uuid <> ''
    ), shared as (
        select distinct lower(requester_uuid) as uuid from raw.events
        where
            lower(requester_uuid) in (select uuid from found)
            and message_id not in (select message_id from pg_temp.erasing_messages)
    )
    select uuid, gen_random_uuid()::text as surrogate, shared.uuid is null as is_theirs_alone
    from found
    left join shared using (uuid);

    analyze pg_temp.erasing, pg_temp.erasing_messages, pg_temp.erasing_uuids;
"""
_WORDS = """
    select distinct email from raw.recipients
    where email <> '' and recipient_id in (select recipient_id from pg_temp.erasing)
    union
    select requester_uuid from pg_temp.erasing_events where requester_uuid <> ''
"""
_OWN_ADDRESSES = """
    select distinct client_ip from pg_temp.erasing_events where client_ip <> ''
    except
    select distinct client_ip from raw.events
    where message_id not in (select message_id from pg_temp.erasing_messages)
"""


@dataclass(frozen=True)
class Traces:
    """What tells persons apart in lines and texts: those of an erasure, and by number those erased before."""

    recipient_count: int
    """Of this erasure."""
    recipient_ids: frozenset[int]
    message_ids: frozenset[int]
    """Of all messages to them."""
    words: tuple[str, ...]
    """E-mail addresses, and the UUIDs of the requesters of these messages, as they were written."""
    own_addresses: tuple[str, ...]
    """Network addresses, with their proxies, that only these messages' events came from."""


def choose(cursor: Cursor, recipient_ids: Collection[int], *, listed: bool) -> Traces:
    """Name the persons of an erasure in temporary tables of the open transaction and return their traces.

    These are the recipients that are asked for and, with `listed`, those of the exports named `erasures`, but for whom
    was erased before. The tables: `erasing` (recipient_id, surrogate_id), `erasing_messages` (message_id) and
    `erasing_uuids` (uuid in lower case, surrogate, is_theirs_alone: not met in anybody else's events).
    """
    cursor.execute("create temporary table asked (recipient_id bigint not null) on commit drop")
    execute_values(cursor, "insert into pg_temp.asked values %s", [(number,) for number in set(recipient_ids)])
    cursor.execute(_CHOOSE, {"listed": listed})
    asked = _column(cursor, "select recipient_id from pg_temp.erasing")
    messages = _column(cursor, "select message_id from pg_temp.erasing_messages")
    return Traces(
        len(asked),
        frozenset([*asked, *_column(cursor, "select recipient_id from ops.erased_recipients")]),
        frozenset([*messages, *_column(cursor, "select message_id from ops.erased_messages")]),
        tuple(_column(cursor, _WORDS)),
        tuple(_column(cursor, _OWN_ADDRESSES)),
    )


def _column(cursor: Cursor, query: str) -> list[Any]:
    cursor.execute(query)
    return [value for (value,) in cursor.fetchall()]
