"""User activities (spec 4.6): when people react."""

from collections import defaultdict
from typing import Any

from message_tracking.reports.charts import Series, grouped_columns
from message_tracking.reports.reading import Snapshot
from message_tracking.reports.tables import Column, Kind, Table

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SERIES = {"opens": "Opens", "clicks": "Clicks", "transactions": "Transactions"}
INTERVALS = {
    "half_hour": ("Half-hour intervals", [f"{place // 2:02}:{place % 2 * 30:02}" for place in range(48)]),
    "hour": ("One hour intervals", [f"{hour:02}:00" for hour in range(24)]),
    "day": ("One day intervals", list(WEEKDAYS)),
}
"""What each interval is called, and its places: of the day, or of the week."""

ACTIVITY = """
    select
        series,
        case %(interval)s
            when 'day' then extract(isodow from half_hour_at) - 1
            when 'hour' then extract(hour from half_hour_at)
            else extract(hour from half_hour_at) * 2 + floor(extract(minute from half_hour_at) / 30)
        end::integer as place,
        sum({event_count})::bigint as event_count
    from marts.user_activity where delivery_id = %(delivery_id)s
    group by series, place
"""


def report(snapshot: Snapshot, delivery_id: int, interval: str) -> dict[str, Any]:
    """A chart of the events at each place of the day or the week, and its table."""
    places = INTERVALS[interval][1]
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * len(places))
    for row in snapshot.rows(ACTIVITY, delivery_id=delivery_id, interval=interval):
        counts[row["series"]][row["place"]] = row["event_count"]
    series = [Series(name, counts[key], colour) for colour, (key, name) in enumerate(SERIES.items())]
    columns = (Column("place", "Time"), *(Column(key, name, Kind.COUNT) for key, name in SERIES.items()))
    rows = [{"place": place, **{key: counts[key][at] for key in SERIES}} for at, place in enumerate(places)]
    return {
        "chart": grouped_columns("Opens, clicks and transactions", places, series),
        "activity": Table("activity", "Events by time", columns, rows),
    }
