"""Monthly partitions of raw.events, made when the first event of a month arrives."""

from datetime import date

import polars as pl
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)


class MonthlyPartitions:
    """Creates what is missing, in transactions of its own on the connection it is given."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: set[date] = set()

    def ensure(self, occurred_at: pl.Series) -> None:
        """Make sure that each event's month has its partition `raw.events_YYYY_MM`."""
        months = set(occurred_at.dt.date().dt.month_start().unique().to_list())
        for month in sorted(months - self._known):
            with self._connection, self._connection.cursor() as cursor:
                # Loads that meet a new month at once take turns.
                cursor.execute("select pg_advisory_xact_lock(hashtextextended('message-tracking partitions', 0))")
                cursor.execute("select to_regclass(%s)", (f"raw.{_name(month)}",))
                if cursor.fetchone() == (None,):
                    # Attaching lets others read and write the parent; `create … partition of` would lock them out.
                    cursor.execute(_statement("create table {partition} (like {parent} including comments)", month))
                    cursor.execute(
                        _statement(
                            "alter table {parent} attach partition {partition} for values from ({first}) to ({next})",
                            month,
                        )
                    )
            self._known.add(month)


def _name(month: date) -> str:
    """Name a month's partition."""
    return f"events_{month:%Y_%m}"


def _statement(text: str, month: date) -> sql.Composed:
    """Fill in parent, partition and bounds."""
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return sql.SQL(text).format(
        parent=sql.Identifier("raw", "events"),
        partition=sql.Identifier("raw", _name(month)),
        first=sql.Literal(f"{month} 00:00:00+00"),
        next=sql.Literal(f"{following} 00:00:00+00"),
    )
