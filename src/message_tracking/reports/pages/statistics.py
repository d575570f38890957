"""Tracking statistics (spec 4.4): how long a delivery takes to have its effect."""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import accumulate
from math import ceil
from typing import Any

from message_tracking.reports.charts import Series, areas
from message_tracking.reports.reading import Snapshot
from message_tracking.reports.tables import Column, Kind, Table

PERIODS = {
    "1h": ("View for 1 hour", timedelta(hours=1)),
    "3h": ("View for 3 hours", timedelta(hours=3)),
    "6h": ("View for 6 hours", timedelta(hours=6)),
    "24h": ("View for 24 hours", timedelta(hours=24)),
    "7d": ("View for 7 days", timedelta(days=7)),
    "1m": ("View for one month", timedelta(days=30)),
    "all": ("View for all time", None),
}
"""The list is ours: the original's is not known in full (spec 8.21)."""
NAMES = {"opens": "Opens", "clicks": "Clicks", "transactions": "Transactions"}
PERCENTS = range(10, 100, 10)
BUCKET = timedelta(minutes=5)
MOST_POINTS = 180

CONTACT = "select contact_at from marts.deliveries where delivery_id = %(delivery_id)s"
PARETO = """
    select series, percent, {seconds_to_percent} as seconds
    from marts.tracking_statistics where delivery_id = %(delivery_id)s
"""
BUCKETS = """
    select
        case
            when buckets.url_id = 1 then 'opens'
            when urls.url_type = 1 then 'clicks'
            else 'transactions'
        end as series,
        buckets.bucket_at,
        sum(buckets.{event_count})::bigint as event_count
    from marts.tracking_buckets as buckets
    left join marts.url_clicks as urls on buckets.delivery_id = urls.delivery_id and buckets.url_id = urls.url_id
    where
        buckets.delivery_id = %(delivery_id)s
        and (buckets.url_id = 1 or urls.url_type in (1, 5))
        and buckets.bucket_at < coalesce(%(until)s::timestamptz, 'infinity')
        and buckets.{event_count} > 0
    group by series, buckets.bucket_at
    order by buckets.bucket_at
"""


def report(snapshot: Snapshot, delivery_id: int, period: str) -> dict[str, Any]:
    """The whole report of a delivery; within a period the shares are of what came in until its end."""
    span = PERIODS[period][1]
    contact_at = snapshot.rows(CONTACT, delivery_id=delivery_id)[0]["contact_at"]
    until = contact_at + span if contact_at and span else None
    counts: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for row in snapshot.rows(BUCKETS, delivery_id=delivery_id, until=until):
        counts[row["series"]].append((row["bucket_at"], row["event_count"]))
    if until is None:
        seconds = {
            (row["series"], row["percent"]): row["seconds"] for row in snapshot.rows(PARETO, delivery_id=delivery_id)
        }
    else:
        seconds = _seconds(counts, contact_at)
    columns = (Column("percent", "Share"), *(Column(key, name, Kind.DURATION) for key, name in NAMES.items()))
    rows = [{"percent": f"{percent} %", **{key: seconds.get((key, percent)) for key in NAMES}} for percent in PERCENTS]
    places, series = _cumulated(counts)
    return {
        "pareto": Table("pareto", "Pareto", columns, rows),
        "chart": areas("Opens, clicks and transactions, cumulated", places, series),
        "cumulated": _as_table(places, series),
    }


def _seconds(
    counts: dict[str, list[tuple[datetime, int]]], contact_at: datetime | None
) -> dict[tuple[str, int], float | None]:
    """How long each share took: to the end of the first bucket that reaches it (spec 8.23)."""
    found: dict[tuple[str, int], float | None] = {}
    for series, buckets in counts.items():
        total = sum(count for _, count in buckets)
        for percent in PERCENTS:
            reached = 0
            for bucket_at, count in buckets:
                reached += count
                if reached * 100 >= total * percent:
                    found[series, percent] = (bucket_at + BUCKET - contact_at).total_seconds() if contact_at else None
                    break
    return found


def _cumulated(counts: dict[str, list[tuple[datetime, int]]]) -> tuple[list[str], list[Series]]:
    """At most so many points in time from the first bucket to the last, and what had come in at each."""
    buckets = [bucket_at for series in counts.values() for bucket_at, _ in series]
    if not buckets:
        return [], []
    first, last = min(buckets), max(buckets) + BUCKET
    width = BUCKET * max(ceil((last - first) / BUCKET / MOST_POINTS), 1)
    size = ceil((last - first) / width)
    series = []
    for colour, (key, name) in enumerate(NAMES.items()):
        added = [0] * (size + 1)
        for bucket_at, count in counts.get(key, []):
            added[(bucket_at - first) // width + 1] += count
        series.append(Series(name, list(accumulate(added)), colour))
    places = [f"{first + width * place:%m-%d %H:%M}" for place in range(size + 1)]
    return places, series


def _as_table(places: list[str], series: list[Series]) -> Table:
    columns = (Column("place", "Until"), *(Column(one.label, one.label, Kind.COUNT) for one in series))
    rows = [{"place": place, **{one.label: one.values[at] for one in series}} for at, place in enumerate(places)]
    return Table("cumulated", "Opens, clicks and transactions, cumulated", columns, rows)
