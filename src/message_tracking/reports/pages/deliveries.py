"""The list of deliveries (spec 6.1), and one delivery."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from message_tracking.reports.charts import sparkline
from message_tracking.reports.reading import Row, Snapshot, holding
from message_tracking.reports.tables import Column, Kind, Table

PAGE_SIZE = 25
SPARK_HOURS = 72
SPARK_STEP = 3

SORTS = {
    "label": "lower(deliveries.label)",
    "code": "lower(deliveries.delivery_code)",
    "state": "deliveries.state_label",
    "contact": "deliveries.contact_at",
    "to_deliver": "deliveries.to_deliver_count",
    "processed": "deliveries.processed_count",
    "success": "deliveries.success_count",
    "opens": "indicators.{recipient_open_count}",
    "clicks": "indicators.{recipient_click_count}",
    "reactivity": "indicators.{reactivity_rate}",
}
"""What the list can be sorted by: a name of ours, never a reader's words."""

MATCHING = """
    from marts.deliveries as deliveries
    inner join marts.delivery_indicators as indicators on deliveries.delivery_id = indicators.delivery_id
    where
        concat_ws(
            ' ', deliveries.label, deliveries.internal_name, deliveries.delivery_code, deliveries.delivery_id
        ) ilike %(pattern)s
        and (%(kind)s = 'all' or (deliveries.is_proof or deliveries.is_model) = (%(kind)s = 'tests'))
"""
COUNT = f"select count(*) as found {MATCHING}"
LIST = f"""
    select
        deliveries.*,
        indicators.{{recipient_open_count}} as recipient_open_count,
        indicators.{{recipient_click_count}} as recipient_click_count,
        indicators.{{reactivity_rate}} as reactivity_rate
    {MATCHING}
"""
PAGE = " limit %(size)s offset %(skipped)s"
SPARKS = """
    select
        activity.delivery_id,
        floor(extract(epoch from activity.half_hour_at - deliveries.contact_at) / %(seconds)s)::integer as place,
        sum(activity.{event_count})::bigint as events
    from marts.user_activity as activity
    inner join marts.deliveries as deliveries on activity.delivery_id = deliveries.delivery_id
    where
        activity.delivery_id = any(%(shown)s)
        and activity.half_hour_at >= deliveries.contact_at
        and activity.half_hour_at < deliveries.contact_at + %(span)s
    group by activity.delivery_id, place
"""
DELIVERY = "select * from marts.deliveries where delivery_id = %(delivery_id)s"

COLUMNS = (
    Column("label", "Label"),
    Column("delivery_code", "Code"),
    Column("state_label", "State", Kind.CODE),
    Column("contact_at", "Contact date", Kind.INSTANT),
    Column("to_deliver_count", "To send", Kind.COUNT),
    Column("processed_count", "Processed", Kind.COUNT),
    Column("success_count", "Success", Kind.COUNT),
    Column("recipient_open_count", "Opened", Kind.COUNT),
    Column("recipient_click_count", "Clicked", Kind.COUNT),
    Column("reactivity_rate", "Reactivity", Kind.RATE),
)


LISTED = tuple(zip(SORTS, COLUMNS, strict=True))
"""The columns of the list with what each is sorted by."""


@dataclass(frozen=True)
class Search:
    """Which deliveries the list shows, and in which order."""

    words: str
    """What the label, a name or the id holds."""
    kind: str
    """All, real or tests (proofs and templates)."""
    sort: str
    """One of SORTS."""
    is_descending: bool

    @property
    def query(self) -> str:
        """The list, in order."""
        direction = "desc" if self.is_descending else "asc"
        return f"{LIST} order by {SORTS[self.sort]} {direction} nulls last, deliveries.delivery_id {direction}"

    @property
    def values(self) -> dict[str, Any]:
        """What the query's parameters are."""
        return {"pattern": holding(self.words), "kind": self.kind}


def delivery_list(snapshot: Snapshot, search: Search, page: int) -> dict[str, Any]:
    """A page of the deliveries that the search finds; the last one where there are not so many."""
    values = search.values
    found = snapshot.rows(COUNT, **values)[0]["found"]
    page_count = max(-(-found // PAGE_SIZE), 1)
    page = min(page, page_count)
    rows = snapshot.rows(
        search.query + PAGE,
        **values,
        size=PAGE_SIZE,
        skipped=(page - 1) * PAGE_SIZE,
    )
    sparks = _sparks(snapshot, [row["delivery_id"] for row in rows])
    for row in rows:
        row["spark"] = sparks.get(row["delivery_id"])
    return {"rows": rows, "found": found, "page": page, "page_count": page_count}


def exported_list(snapshot: Snapshot, search: Search) -> Table:
    """All deliveries that the search finds, on all of its pages."""
    rows = snapshot.stream(search.query, **search.values)
    return Table("deliveries", "Deliveries", (Column("delivery_id", "Delivery id"), *COLUMNS), rows)


def delivery(snapshot: Snapshot, delivery_id: int) -> Row | None:
    """The delivery of an id."""
    return snapshot.row(DELIVERY, delivery_id=delivery_id)


def _sparks(snapshot: Snapshot, delivery_ids: list[int]) -> dict[int, str]:
    """The opens, clicks and transactions of the first days, as points of a small line."""
    events: dict[int, list[int]] = defaultdict(lambda: [0] * (SPARK_HOURS // SPARK_STEP))
    span = timedelta(hours=SPARK_HOURS)
    for row in snapshot.rows(SPARKS, shown=delivery_ids, seconds=SPARK_STEP * 3600, span=span):
        events[row["delivery_id"]][row["place"]] = row["events"]
    return {delivery_id: sparkline(values) for delivery_id, values in events.items()}
