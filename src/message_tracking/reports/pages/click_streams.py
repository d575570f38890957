"""URLs and click streams (spec 4.3): three rates, the most clicked links, and clicks over time."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

from message_tracking.reports.charts import Series, stacked_columns
from message_tracking.reports.reading import Row, Snapshot
from message_tracking.reports.tables import Column, Kind, Table, ratio

MODES = {"label": "View by labels", "url": "View by URL", "category": "View by category"}
TOPS = (5, 10, 20)
WINDOWS = {
    "launch": ("From launching the action", None),
    "1h": ("Over the first hour", timedelta(hours=1)),
    "3h": ("Over the first 3 hours", timedelta(hours=3)),
    "6h": ("Over the first 6 hours", timedelta(hours=6)),
    "24h": ("Over the first 24 hours", timedelta(hours=24)),
    "7d": ("Over the first 7 days", timedelta(days=7)),
    "1m": ("Over the first month", timedelta(days=30)),
}
"""The list is ours: the original's is not known in full (spec 8.21)."""
MOST_PLACES = 92
OTHERS = "Others"
COLOURS = 10

RATES = """
    select
        {reactivity_rate} as reactivity_rate, {platform_reactivity_rate} as platform_reactivity_rate,
        {distinct_click_rate} as distinct_click_rate, {platform_distinct_click_rate} as platform_distinct_click_rate,
        {cumulated_click_rate} as cumulated_click_rate, {platform_cumulated_click_rate} as platform_cumulated_click_rate
    from marts.delivery_indicators where delivery_id = %(delivery_id)s
"""
RANKED = {
    "label": """
        select label as name, {click_count} as click_count
        from marts.url_label_clicks where delivery_id = %(delivery_id)s order by {rank}
    """,
    "url": """
        select source_url as name, sum({click_count})::bigint as click_count
        from marts.url_clicks where delivery_id = %(delivery_id)s
        group by source_url order by click_count desc, source_url collate "C"
    """,
    "category": """
        select category as name, {click_count} as click_count
        from marts.url_category_clicks where delivery_id = %(delivery_id)s order by {rank}
    """,
}
NAMES = "select url_id, label, source_url as url, category from marts.url_clicks where delivery_id = %(delivery_id)s"
BY_DAY = """
    select url_id, click_date as place, {click_count} as click_count
    from marts.url_clicks_by_day where delivery_id = %(delivery_id)s and {click_count} > 0
"""
IN_WINDOW = """
    select
        buckets.url_id,
        date_trunc(%(step)s, buckets.bucket_at) as place,
        sum(buckets.{event_count})::bigint as click_count
    from marts.tracking_buckets as buckets
    inner join marts.deliveries as deliveries on buckets.delivery_id = deliveries.delivery_id
    where
        buckets.delivery_id = %(delivery_id)s
        and buckets.url_id <> 1
        and buckets.bucket_at < deliveries.contact_at + %(span)s
        and buckets.{event_count} > 0
    group by buckets.url_id, place
"""


def report(snapshot: Snapshot, delivery_id: int, mode: str, top: int, window: str) -> dict[str, Any]:
    """The whole report of a delivery."""
    span = WINDOWS[window][1]
    names = {row["url_id"]: row[mode] for row in snapshot.rows(NAMES, delivery_id=delivery_id)}
    clicks = _clicks(snapshot, delivery_id, span)
    known = [row for row in clicks if row["url_id"] in names]
    ranked = _ranked(snapshot, delivery_id, mode) if span is None else _summed(known, names)
    shown, rest = ranked[:top], ranked[top:]
    total = sum(row["click_count"] for row in ranked)
    for place, row in enumerate(shown):
        row |= {"position": place + 1, "colour": place % COLOURS, "share": ratio(row["click_count"], total)}
        row["name"] = row["name"] or "(no category)"
    others = sum(row["click_count"] for row in rest)
    totals = [
        {"name": OTHERS, "click_count": others, "share": ratio(others, total), "colour": COLOURS},
        {"name": "Total", "click_count": total, "share": ratio(total, total)},
    ]
    columns = (
        Column("position", "Position"),
        Column("colour", "Colour", Kind.SWATCH),
        Column("name", "Link"),
        Column("click_count", "Clicks", Kind.COUNT),
        Column("share", "Clicks (as %)", Kind.SHARE),
    )
    series, places = _over_time(known, names, shown)
    return {
        "rates": snapshot.row(RATES, delivery_id=delivery_id),
        "links": Table("links", f"Top {top} most visited links", columns, shown, totals),
        "chart": stacked_columns("Breakdown of clicks over time", places, series),
        "over_time": _as_table(series, places),
    }


def _clicks(snapshot: Snapshot, delivery_id: int, span: timedelta | None) -> list[Row]:
    """Clicks by URL and place in time: a day, or an hour within the first day."""
    if span is None:
        return snapshot.rows(BY_DAY, delivery_id=delivery_id)
    step = "hour" if span <= timedelta(days=1) else "day"
    return snapshot.rows(IN_WINDOW, delivery_id=delivery_id, span=span, step=step)


def _ranked(snapshot: Snapshot, delivery_id: int, mode: str) -> list[Row]:
    return snapshot.rows(RANKED[mode], delivery_id=delivery_id)


def _summed(clicks: list[Row], names: dict[int, str]) -> list[Row]:
    """Each name with its clicks, the most clicked first, then by code point; names without clicks too."""
    sums = dict.fromkeys(names.values(), 0)
    for row in clicks:
        sums[names[row["url_id"]]] += row["click_count"]
    return [
        {"name": name, "click_count": count} for name, count in sorted(sums.items(), key=lambda one: (-one[1], one[0]))
    ]


def _over_time(clicks: list[Row], names: dict[int, str], shown: list[Row]) -> tuple[list[Series], list[str]]:
    """A series for each link of the table and one for the others, at every place from the first to the last."""
    labels = _places([row["place"] for row in clicks])
    colours = {row["name"]: row["colour"] for row in shown}
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for row in clicks:
        name = names[row["url_id"]] or "(no category)"
        sums[name if name in colours else OTHERS, labels[row["place"]]] += row["click_count"]
    places = list(dict.fromkeys(labels.values()))
    series = [
        Series(name, [sums[name, place] for place in places], colour)
        for name, colour in [*colours.items(), (OTHERS, COLOURS)]
    ]
    return [one for one in series if any(one.values)], places


def _places(found: list[date]) -> dict[date, str]:
    """The label of every place between the first and the last; months where there are too many days (spec 8.22)."""
    if not found:
        return {}
    first, last = min(found), max(found)
    step = timedelta(hours=1) if _is_hourly(found) else timedelta(days=1)
    count = round((last - first) / step) + 1
    form = "%Y-%m" if count > MOST_PLACES else "%Y-%m-%d %H:%M" if step < timedelta(days=1) else "%Y-%m-%d"
    return {first + step * place: (first + step * place).strftime(form) for place in range(count)}


def _is_hourly(found: list[date]) -> bool:
    return any(isinstance(place, datetime) and place.hour for place in found)


def _as_table(series: list[Series], places: list[str]) -> Table:
    columns = (
        Column("place", "Time"),
        *(Column(str(at), one.label, Kind.COUNT) for at, one in enumerate(series)),
    )
    rows = [
        {"place": place, **{str(at): one.values[index] for at, one in enumerate(series)}}
        for index, place in enumerate(places)
    ]
    return Table("over_time", "Clicks over time", columns, rows)
