"""Browsers and Operating systems (spec 4.9): with what those who clicked look, over all deliveries."""

from collections.abc import Callable

from message_tracking.reports.reading import Row, Snapshot
from message_tracking.reports.tables import Column, Kind, Table, ratio, rounded

PERIODS = {
    "7": "During the last 7 days",
    "30": "During the last 30 days",
    "182": "During the last 6 months",
}
"""Days up to the last one with visitors, so that the figures hang on nobody's clock."""
TOP = 10
OTHERS = "Others"

VISITORS = {
    "browsers": """
        select name, sum({visitor_count})::bigint as visitors, sum({page_count})::bigint as pages
        from marts.browser_statistics
        where activity_date > (select max(activity_date) from marts.browser_statistics) - %(days)s
        group by name order by visitors desc, name
    """,
    "operating-systems": """
        select name, sum({visitor_count})::bigint as visitors, sum({page_count})::bigint as pages
        from marts.operating_system_statistics
        where activity_date > (select max(activity_date) from marts.operating_system_statistics) - %(days)s
        group by name order by visitors desc, name
    """,
}


def browsers(snapshot: Snapshot, days: int) -> Table:
    """Visitors and pages by browser: the first ten, and Others."""
    rows = snapshot.rows(VISITORS["browsers"], days=days)
    named = [row for row in rows if row["name"] != OTHERS]
    rest = [*named[TOP:], *(row for row in rows if row["name"] == OTHERS)]
    shown = named[:TOP]
    if rest:
        shown.append({"name": OTHERS, **{key: sum(row[key] for row in rest) for key in ("visitors", "pages")}})
    return _table("browsers", "Browsers", _rated(shown), Kind.COUNT)


def operating_systems(snapshot: Snapshot, days: int) -> Table:
    """Visitors and pages a day by operating system."""
    rows = _rated(snapshot.rows(VISITORS["operating-systems"], days=days))
    for row in rows:
        row |= {key: rounded(ratio(row[key], days), 2) for key in ("visitors", "pages")}
    return _table("operating_systems", "Operating systems, daily averages", rows, Kind.AMOUNT)


def _rated(rows: list[Row]) -> list[Row]:
    total = sum(row["visitors"] for row in rows)
    return [row | {"rate": ratio(row["visitors"], total)} for row in rows]


def _table(name: str, caption: str, rows: list[Row], kind: Kind) -> Table:
    columns = (
        Column("name", "Name"),
        Column("visitors", "Visitors", kind),
        Column("pages", "Pages viewed", kind),
        Column("rate", "Usage rate", Kind.SHARE),
    )
    return Table(name, caption, columns, rows)


REPORTS: dict[str, tuple[str, Callable[[Snapshot, int], Table]]] = {
    "browsers": ("Browsers", browsers),
    "operating-systems": ("Operating systems", operating_systems),
}
"""Title and maker of each page."""
