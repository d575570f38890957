"""Monthly partitions of raw.events, made when the first event of a month arrives."""

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)

from message_tracking.loading.ledger import lock_until_commit
from message_tracking.parsing.log_events import POSTGRES_EPOCH

_MICROSECONDS_OF_A_DAY = 86_400_000_000


class MonthlyPartitions:
    """Creates what is missing, in transactions of its own on the connection it is given."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: set[date] = set()

    def ensure(self, occurred_at: NDArray[np.int64]) -> None:
        """Make sure that each event's month has its partition `raw.events_YYYY_MM`.

        Instants are microseconds since 2000-01-01 UTC.
        """
        days = np.unique(occurred_at // _MICROSECONDS_OF_A_DAY)
        months = {(POSTGRES_EPOCH + timedelta(days=day)).date().replace(day=1) for day in days.tolist()}
        for month in sorted(months - self._known):
            with self._connection, self._connection.cursor() as cursor:
                # Loads that meet a new month at once take turns.
                lock_until_commit(cursor, "partitions")
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
