"""Persons out of raw, `ops`, the state and every kept version of the marts, in one transaction."""

from collections import Counter
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the class is spelled so there)
from psycopg2.extras import execute_batch

from message_tracking.erasing.blotting import Blotter, as_lines
from message_tracking.loading.erased import PERSON_ID

_RAW = {
    # The network stays, and what figures are made of: events are judged and counted by these.
    "raw.events": """
        update raw.events set
            client_ip = coalesce(host(ops.network_of(client_ip)), ''),
            parameters = ops.amounts_only(parameters),
            field_6 = ''
        where message_id in (select message_id from pg_temp.erasing_messages)
    """,
    "raw.events, requesters": """
        update raw.events set requester_uuid = uuids.surrogate
        from pg_temp.erasing_uuids as uuids where lower(requester_uuid) = uuids.uuid
    """,
    # A domain that nobody else has says who it was.
    "raw.messages": """
        update raw.messages as messages set
            recipient_id = erasing.surrogate_id,
            address_domain = case
                when exists (
                    select from raw.messages as others
                    where
                        others.address_domain = messages.address_domain
                        and others.recipient_id not in (select recipient_id from pg_temp.erasing)
                ) then address_domain else ''
            end
        from pg_temp.erasing as erasing where messages.recipient_id = erasing.recipient_id
    """,
    "raw.exclusions": """
        update raw.exclusions as stored set recipient_id = erasing.surrogate_id
        from pg_temp.erasing as erasing where stored.recipient_id = erasing.recipient_id
    """,
    "raw.consents": """
        update raw.consents as stored set recipient_id = erasing.surrogate_id
        from pg_temp.erasing as erasing where stored.recipient_id = erasing.recipient_id
    """,
    "raw.recipients": "delete from raw.recipients where recipient_id in (select recipient_id from pg_temp.erasing)",
}


@dataclass(frozen=True)
class Text:
    """A column of what may quote a line or a value."""

    table: str
    key: str
    column: str
    kind: str


_TEXTS = (
    Text("file_ledger", "load_id", "error", "text"),
    Text("file_ledger", "load_id", "warnings", "jsonb"),
    Text("file_ledger", "load_id", "sample_rejects", "jsonb"),
    Text("check_results", "check_result_id", "message", "text"),
    Text("failing_keys", "ctid", "failing_key", "jsonb"),
)
"""In the schema ops."""

_STORED = """
    select
        namespaces.nspname::text, tables.relname::text,
        coalesce(array_agg(attname::text) filter (where atttypid = 'uuid'::regtype), '{}') as uuid_columns,
        bool_or(attname = 'recipient_id') as has_recipient,
        bool_or(attname in ('first_name', 'last_name', 'email')) as names_people,
        has_table_privilege(tables.oid, 'select, update, delete') as is_ours
    from pg_class as tables
    inner join pg_namespace as namespaces on tables.relnamespace = namespaces.oid
    inner join pg_attribute on attrelid = tables.oid and attnum > 0 and not attisdropped
    where
        tables.relkind in ('r', 'p') and tables.relpersistence = 'p'
        and nspname not in ('raw', 'ops', 'information_schema') and not starts_with(nspname, 'pg_')
    group by tables.oid, nspname, relname
    having bool_or(attname = 'recipient_id') or bool_or(atttypid = 'uuid'::regtype)
    order by 1, 2
"""

_PERSONS = f"""
    create temporary table erasing_persons on commit drop as
    select
        {PERSON_ID.format(uuid="uuid")} as person_id,
        {PERSON_ID.format(uuid="surrogate")} as surrogate_id,
        is_theirs_alone
    from pg_temp.erasing_uuids
"""  # noqa: S608  (a text of that module)

_ENTER = """
    with receipt as (
        insert into ops.erasures (requested_by, recipient_count, counts, not_ours)
        select %s, (select count(*) from pg_temp.erasing), '{}', '[]'
        returning erasure_id
    ), recipients as (
        insert into ops.erased_recipients select recipient_id, erasure_id from pg_temp.erasing cross join receipt
    ), persons as (
        insert into ops.erased_persons
        select person_id, erasure_id from pg_temp.erasing_persons cross join receipt where is_theirs_alone
        on conflict do nothing
    ), messages as (
        insert into ops.erased_messages
        select message_id, erasure_id from pg_temp.erasing_messages cross join receipt
        on conflict (message_id) do update set erasure_id = excluded.erasure_id
    )

    select erasure_id from receipt
"""


@dataclass(frozen=True)
class Stored:
    """A table of state, marts or trials with persons in it."""

    name: sql.Identifier
    uuid_columns: list[str]
    has_recipient: bool
    names_people: bool


def enter(cursor: Cursor, requested_by: str) -> int:
    """Write a receipt, yet without counts, and the lists of whom the door turns away; return its number."""
    cursor.execute(_PERSONS)
    cursor.execute(_ENTER, (requested_by,))
    return int(cursor.fetchall()[0][0])


def erase_in_raw(cursor: Cursor) -> Counter[str]:
    """Erase in raw events and reference data, all versions; return the rows changed or deleted by table."""
    counts: Counter[str] = Counter()
    for name, statement in _RAW.items():
        cursor.execute(statement)
        counts[name] = cursor.rowcount
    return counts


def erase_in_texts(cursor: Cursor, blotter: Blotter) -> Counter[str]:
    """Empty the rejected lines that are of these persons, and blot what `ops` quotes; return the rows by table."""
    counts = Counter({"raw.rejected_lines": _empty_rejected_lines(cursor, blotter)})
    for text in _TEXTS:
        counts[f"ops.{text.table}"] += _blot_column(cursor, blotter, text)
    return counts


def erase_in_stores(cursor: Cursor) -> tuple[Counter[str], list[str]]:
    """Erase in every table downstream of raw, whatever version a row is of.

    Tables are found in the catalog, so that a new model's is among them. Returns the rows by table, and those of
    analysts that the pipeline may not change.
    """
    counts: Counter[str] = Counter()
    not_ours = []
    cursor.execute(_STORED)
    for schema, table, uuid_columns, has_recipient, names_people, is_ours in cursor.fetchall():
        if not is_ours:
            not_ours.append(f"{schema}.{table}: its owner must erase there, or drop it")
            continue
        stored = Stored(sql.Identifier(schema, table), uuid_columns, has_recipient, names_people)
        counts[f"{schema}.{table}"] = _erase_in(cursor, stored)
    return counts, not_ours


def _erase_in(cursor: Cursor, stored: Stored) -> int:
    changed = 0
    if stored.has_recipient:
        statement = (
            "delete from {table} as stored using pg_temp.erasing as erasing"
            if stored.names_people
            else "update {table} as stored set recipient_id = erasing.surrogate_id from pg_temp.erasing as erasing"
        )
        where = " where stored.recipient_id = erasing.recipient_id"
        cursor.execute(sql.SQL(statement + where).format(table=stored.name))
        changed += cursor.rowcount
    for column in stored.uuid_columns:
        cursor.execute(
            sql.SQL(
                "update {table} as stored set {column} = persons.surrogate_id from pg_temp.erasing_persons as persons "
                "where stored.{column} = persons.person_id"
            ).format(table=stored.name, column=sql.Identifier(column))
        )
        changed += cursor.rowcount
    return changed


def _empty_rejected_lines(cursor: Cursor, blotter: Blotter) -> int:
    """Nothing is kept of a rejected line of theirs but its place and its reason."""
    emptied: list[int] = []
    with cursor.connection.cursor("rejected_lines") as rows:
        rows.itersize = 50_000
        rows.execute("select rejected_line_id, raw_line from raw.rejected_lines where raw_line <> ''")
        while batch := rows.fetchmany(50_000):
            lines = as_lines(b"\n".join(bytes(line).replace(b"\n", b" ") for _, line in batch))
            is_theirs = blotter.is_in(lines) | blotter.is_reaction(lines)
            emptied += [batch[place][0] for place in is_theirs.arg_true()]
    cursor.execute("update raw.rejected_lines set raw_line = '' where rejected_line_id = any(%s)", (emptied,))
    return cursor.rowcount


def _blot_column(cursor: Cursor, blotter: Blotter, text: Text) -> int:
    names = {
        "table": sql.Identifier("ops", text.table),
        "key": sql.Identifier(text.key),
        "column": sql.Identifier(text.column),
        "kind": sql.SQL(text.kind),
    }
    cursor.execute(
        sql.SQL("select {key}::text, {column}::text from {table} where {column} is not null").format(**names)
    )
    keys, texts = zip(*cursor.fetchall(), strict=True) if cursor.rowcount else ((), ())
    changed = [(text, keys[place]) for place, text in blotter.blotted(texts)]
    execute_batch(
        cursor, sql.SQL("update {table} set {column} = %s::{kind} where {key}::text = %s").format(**names), changed
    )
    return len(changed)
