"""Reference rows that a dialect derives from its lines, into the tables that exports fill otherwise.

The outcome is the same in whatever order and files the lines come, and however often.
"""

from collections.abc import Mapping

import polars as pl
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812  (the class is spelled so there)

from message_tracking.loading import ledger
from message_tracking.loading.merging import Stage, listed
from message_tracking.loading.reference_tables import (
    BIGINT,
    BOOLEAN,
    INTEGER,
    TEXT,
    TIME,
    ReferenceTable,
    reference_table,
)

_DTYPES: Mapping[str, pl.DataType] = {
    BIGINT: pl.Int64(),
    INTEGER: pl.Int32(),
    TEXT: pl.String(),
    BOOLEAN: pl.Boolean(),
    TIME: pl.Datetime("us"),
}
_SUMMED_UP = ("contact_at", "to_deliver_count")

_LEAVE_OUT_KNOWN = """
    delete from pg_temp.{stage} as staged
    using {stored} as stored
    where
        ({stored_key}) = ({staged_key})
        and stored.superseded_by_load_id is null
        and {staged_modified_at} is null
        and {is_settled}
"""

# The messages that were not there are in arriving_messages: those are merged before.
_SUM_UP = """
    with messages as (
        select delivery_id, count(*) as message_count
        from pg_temp.arriving_messages
        where is_first
        group by delivery_id
    ),

    summed_up as (
        select
            staged.delivery_id,
            least(min(staged.contact_at), min(stored.contact_at)) as contact_at,
            coalesce(min(stored.to_deliver_count), 0) + coalesce(min(messages.message_count), 0) as to_deliver_count
        from pg_temp.stage_deliveries as staged
        left join raw.deliveries as stored
            on staged.delivery_id = stored.delivery_id and stored.superseded_by_load_id is null
        left join messages on staged.delivery_id = messages.delivery_id
        group by staged.delivery_id
    )

    update pg_temp.stage_deliveries as staged
    set contact_at = summed_up.contact_at, to_deliver_count = summed_up.to_deliver_count
    from summed_up
    where staged.delivery_id = summed_up.delivery_id and staged.modified_at is null
"""

_KEEP_KNOWN = """
    update pg_temp.stage_deliveries as staged
    set ({others}) = row({stored_others})
    from raw.deliveries as stored
    where
        staged.delivery_id = stored.delivery_id
        and stored.superseded_by_load_id is null
        and staged.modified_at is null
"""


class DerivedRows:
    """The rows of one pull, staged in its transaction until it ends."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._stages: dict[str, Stage] = {}
        self._row_count = 0

    def add(self, rows: Mapping[str, pl.DataFrame]) -> None:
        """Stage rows by table, those of later lines after those of earlier ones."""
        for name, frame in rows.items():
            if frame.height:
                complete = _complete(reference_table(name), frame)
                numbers = pl.int_range(self._row_count, self._row_count + frame.height, eager=True)
                self._stage(name).add(complete.with_columns(row_number=numbers))
                self._row_count += frame.height

    def merge(self, load_id: int) -> None:
        """Bring the rows into their tables, in one order everywhere: deliveries, which count messages, come last."""
        if "deliveries" in self._stages:
            self._stage("messages")
        for name in sorted(self._stages, key=lambda name: (name == "deliveries", name)):
            stage = self._stages[name]
            ledger.lock_versions(self._cursor, name)
            self._leave_out_known(stage)
            if name == "deliveries":
                self._sum_up(stage)
            stage.merge(load_id)

    def _stage(self, name: str) -> Stage:
        """Return the stage of a table."""
        if name not in self._stages:
            self._stages[name] = Stage(self._cursor, reference_table(name))
        return self._stages[name]

    def _leave_out_known(self, stage: Stage) -> None:
        """What does not say when it was modified is for those keys that nothing is known of.

        Deliveries are summed up all the same, unless an export has said, with a date, what they are.
        """
        table = stage.table
        statement = sql.SQL(_LEAVE_OUT_KNOWN).format(
            stage=sql.Identifier(f"stage_{table.name}"),
            stored=sql.Identifier("raw", table.name),
            stored_key=listed(table.key, "stored"),
            staged_key=listed(table.key, "staged"),
            staged_modified_at=sql.SQL("staged.modified_at" if table.is_dated else "null"),
            is_settled=sql.SQL("stored.modified_at is not null" if table.name == "deliveries" else "true"),
        )
        self._cursor.execute(statement)

    def _sum_up(self, stage: Stage) -> None:
        """Deliveries keep what is known of them, but for when they began and how many messages they have."""
        others = [column for column in stage.table.columns if column not in {*stage.table.key, *_SUMMED_UP}]
        self._cursor.execute(_SUM_UP)
        self._cursor.execute(sql.SQL(_KEEP_KNOWN).format(others=listed(others), stored_others=listed(others, "stored")))


def _complete(table: ReferenceTable, rows: pl.DataFrame) -> pl.DataFrame:
    """Give rows all columns of their table: an empty text is '', anything else that is not there null."""
    given = [pl.col(name) if name in rows.columns else pl.lit(None).alias(name) for name in table.columns]
    typed = rows.select(column.cast(_DTYPES[kind]) for column, kind in zip(given, table.columns.values(), strict=True))
    return typed.with_columns(pl.col(name).fill_null("") for name, kind in table.columns.items() if kind == TEXT)
