"""Rows of reference data into their tables: which version of a key counts (design §4.2)."""

import io
from collections.abc import Iterable
from typing import IO, Any

import polars as pl
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the class is spelled so there)

from message_tracking.loading import ledger
from message_tracking.loading.erased import turn_away_rows
from message_tracking.loading.reference_tables import TEXT, ReferenceTable

# The outcome is that of taking the rows one by one in the order of their numbers: without a date on either side the
# later row wins, else the newer one, of equals the later. So what stands before a key's last undated row plays no part,
# and where there is an undated row the stored one plays none either.
_MERGE = """
create temporary table {arriving} on commit drop as
with dated as (
    select
        *,
        {modified_at} as dated_at,
        max(row_number) filter (where {modified_at} is null) over (partition by {key}) as last_undated
    from pg_temp.{stage}
), newest as (
    select distinct on ({key}) * from dated
    where last_undated is null or row_number >= last_undated
    order by {key}, dated_at desc nulls last, row_number desc
)
select newest.*, stored.load_id is null as is_first from newest
left join {stored} as stored on ({stored_key}) = ({newest_key}) and stored.superseded_by_load_id is null
where stored.load_id is null or (
    (newest.last_undated is not null or {stored_modified_at} is null or newest.dated_at >= {stored_modified_at})
    and ({new_columns}) is distinct from ({stored_columns})
)
"""


class Stage:
    """The rows of one load for one table, in temporary tables of the open transaction.

    These are `stage_<table>`, with the table's columns and `row_number`, and, once merged, `arriving_<table>` of those
    that count, where `is_first` says that the key was not there.
    """

    def __init__(self, cursor: Cursor, table: ReferenceTable) -> None:
        """Make the stage, empty."""
        self.cursor = cursor
        self.table = table
        self.erased_count = 0
        self._names = self._parts()
        self._run(
            "create temporary table {stage} on commit drop as "
            "select 0::bigint as row_number, {columns} from {stored} limit 0"
        )

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows: the table's columns, and `row_number`, by which the later one is known."""
        names = ["row_number", *self.table.columns]
        # All text stands in quotes, so that an empty one is not taken for null.
        content = rows.select(names).write_csv(
            include_header=False, quote_style="non_numeric", datetime_format="%Y-%m-%d %H:%M:%S%.6f"
        )
        command = sql.SQL("copy pg_temp.{stage} (row_number, {columns}) from stdin (format csv)").format(**self._names)
        self.cursor.copy_expert(command.as_string(self.cursor), io.BytesIO(content.encode()))

    def copy(self, rows: IO[bytes]) -> None:
        """Append rows as another server's COPY sends them: `row_number` and the table's columns."""
        command = sql.SQL("copy pg_temp.{stage} (row_number, {columns}) from stdin").format(**self._names)
        self.cursor.copy_expert(command.as_string(self.cursor), rows)

    def count(self) -> int:
        """Count the rows."""
        self._run("select count(*) from pg_temp.{stage}")
        return int(self.cursor.fetchall()[0][0])

    def greatest_key(self) -> tuple[Any, ...]:
        """Return the greatest key, texts by their bytes; () of an empty stage."""
        self._run("select {key} from pg_temp.{stage} order by {backwards} limit 1")
        return next(iter(self.cursor.fetchall()), ())

    def merge(self, load_id: int) -> int:
        """Make the rows that win the current ones of their keys; return how many these are.

        Those of erased persons are turned away: `erased_count` says how many.
        """
        ledger.lock_versions(self.cursor, self.table.name)
        self.erased_count = turn_away_rows(self.cursor, self.table, self._names["stage"])
        self._run("analyze pg_temp.{stage}")
        self._run(_MERGE)
        self._run(
            "update {stored} as stored set superseded_by_load_id = %s from pg_temp.{arriving} as arriving "
            "where ({stored_key}) = ({arriving_key}) and stored.superseded_by_load_id is null",
            load_id,
        )
        self._run("insert into {stored} (load_id, {columns}) select %s, {columns} from pg_temp.{arriving}", load_id)
        return self.cursor.rowcount

    def _run(self, statement: str, *parameters: int) -> None:
        self.cursor.execute(sql.SQL(statement).format(**self._names), parameters or None)

    def _parts(self) -> dict[str, sql.Composable]:
        """What statements are filled in with."""
        table = self.table
        return {
            "stage": sql.Identifier(f"stage_{table.name}"),
            "arriving": sql.Identifier(f"arriving_{table.name}"),
            "stored": sql.Identifier("raw", table.name),
            "key": listed(table.key),
            "newest_key": listed(table.key, "newest"),
            "arriving_key": listed(table.key, "arriving"),
            "stored_key": listed(table.key, "stored"),
            "backwards": sql.SQL(", ").join(
                sql.SQL('{} collate "C" desc' if table.columns[column] == TEXT else "{} desc").format(
                    sql.Identifier(column)
                )
                for column in table.key
            ),
            "columns": listed(table.columns),
            "new_columns": listed(table.columns, "newest"),
            "stored_columns": listed(table.columns, "stored"),
            "modified_at": sql.SQL("modified_at" if table.is_dated else "null::timestamptz"),
            "stored_modified_at": sql.SQL("stored.modified_at" if table.is_dated else "null::timestamptz"),
        }


def listed(columns: Iterable[str], *relation: str) -> sql.Composed:
    """Name columns, of a relation where one is given."""
    return sql.SQL(", ").join(sql.Identifier(*relation, column) for column in columns)
