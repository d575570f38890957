"""The merge of arriving reference rows with those that are current: the newest word about each key counts."""

from collections.abc import Iterable

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the class is spelled so there)

from message_tracking.loading import ledger
from message_tracking.loading.reference_tables import ReferenceTable


def make_stage(cursor: Cursor, table: ReferenceTable) -> None:
    """Make the empty temporary table `stage`, with the table's columns and `row_number`, the place in the file."""
    cursor.execute(
        sql.SQL(
            "create temporary table stage on commit drop as select 0::bigint as row_number, {} from {} limit 0"
        ).format(_listed(table.columns), _stored(table))
    )


# The outcome is that of taking the rows one by one in the file's order: without a date on either side the later row
# wins, else the newer one, of equals the later. So what stands before a key's last undated row plays no part, and
# where there is an undated row the stored one plays none either.
_MERGE = """
create temporary table arriving on commit drop as
with dated as (
    select
        *,
        {modified_at} as dated_at,
        max(row_number) filter (where {modified_at} is null) over (partition by {key}) as last_undated
    from pg_temp.stage
), newest as (
    select distinct on ({key}) * from dated
    where last_undated is null or row_number >= last_undated
    order by {key}, dated_at desc nulls last, row_number desc
)
select newest.* from newest
left join {stored} as stored on ({stored_key}) = ({newest_key}) and stored.superseded_by_load_id is null
where stored.load_id is null or (
    (newest.last_undated is not null or {stored_modified_at} is null or newest.dated_at >= {stored_modified_at})
    and ({new_columns}) is distinct from ({stored_columns})
)
"""


def merge(cursor: Cursor, table: ReferenceTable, load_id: int) -> int:
    """Make the staged rows that win the current ones of their keys; return how many these are."""
    ledger.lock_versions(cursor, table.name)
    cursor.execute("analyze pg_temp.stage")
    names = {
        "stored": _stored(table),
        "key": _listed(table.key),
        "newest_key": _listed(table.key, "newest"),
        "arriving_key": _listed(table.key, "arriving"),
        "stored_key": _listed(table.key, "stored"),
        "columns": _listed(table.columns),
        "new_columns": _listed(table.columns, "newest"),
        "stored_columns": _listed(table.columns, "stored"),
        "modified_at": sql.SQL("modified_at" if table.is_dated else "null::timestamptz"),
        "stored_modified_at": sql.SQL("stored.modified_at" if table.is_dated else "null::timestamptz"),
    }
    cursor.execute(sql.SQL(_MERGE).format(**names))
    cursor.execute(
        sql.SQL(
            "update {stored} as stored set superseded_by_load_id = %s from pg_temp.arriving "
            "where ({stored_key}) = ({arriving_key}) and stored.superseded_by_load_id is null"
        ).format(**names),
        (load_id,),
    )
    cursor.execute(
        sql.SQL("insert into {stored} (load_id, {columns}) select %s, {columns} from pg_temp.arriving").format(**names),
        (load_id,),
    )
    return cursor.rowcount


def _stored(table: ReferenceTable) -> sql.Identifier:
    return sql.Identifier("raw", table.name)


def _listed(columns: Iterable[str], *relation: str) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(*relation, column) for column in columns)
