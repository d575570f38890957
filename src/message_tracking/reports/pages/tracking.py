"""The Tracking tab of a delivery (spec 6.3): its logs, paged by key, and its URLs."""

from dataclasses import dataclass
from typing import Any

from message_tracking.reports.reading import Row, Snapshot, holding
from message_tracking.reports.tables import Column, Kind, Table

PAGE_SIZE = 50

TIME_PATTERN = r"^([0-9]{4}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9])?)?$"
"""A day or a minute, as a browser's field for dates writes it, or nothing."""
KEY_PATTERN = r"^[0-9]{4}-[0-9T:.+\-]{10,30} [^\x00]{1,200}$"
"""Time and id of the last row shown."""

EVENT_TYPES = {
    "open": "Open",
    "click": "Email click",
    "opt_out": "Opt-out",
    "mirror_page": "Mirror page",
    "web": "Web",
    "transaction": "Transaction",
    "unknown": "Unknown",
}

COLUMNS = (
    Column("occurred_at", "Date", Kind.INSTANT),
    Column("url_label", "Label"),
    Column("type_label", "Type", Kind.CODE),
    Column("recipient", "Recipient", Kind.CODE),
    Column("message_id", "Message", Kind.CODE),
    Column("browser", "Browser", Kind.CODE),
    Column("operating_system", "System", Kind.CODE),
    Column("actor_class", "Caused by", Kind.CODE),
    Column("event_id", "Log line", Kind.CODE),
)
MORE_COLUMNS = (
    Column("actor_reason", "Rules"),
    Column("person", "Person"),
    Column("device", "Device"),
    Column("url_category", "Category"),
    Column("seconds_since_sent", "Seconds since sent"),
)
"""Those for which a page is too narrow: a file has them."""

MATCHING = """
    select
        occurred_at, event_id, url_label, event_type, recipient_id, message_id, browser, operating_system, device,
        actor_class, actor_reason, url_category, seconds_since_sent, person_id::text as person
    from marts.tracking_events
    where
        delivery_id = %(delivery_id)s
        and {is_counted}
        and (%(event_type)s is null or event_type = %(event_type)s)
        and (%(label)s is null or url_label = %(label)s)
        and (%(recipient_id)s is null or recipient_id = %(recipient_id)s)
        and occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
        and occurred_at < coalesce(%(until)s::timestamptz, 'infinity')
"""
NEWEST_FIRST = " order by occurred_at desc, event_id desc"
PAGE = " limit %(size)s"
# The first condition reads on in the index from the last row shown; the second leaves out what that instant has shown.
OLDER = """
    and occurred_at <= %(key_at)s::timestamptz and (occurred_at < %(key_at)s::timestamptz or event_id < %(key_id)s)
"""
TOTAL = """
    select coalesce(sum({event_count}), 0)::bigint as total
    from marts.tracking_buckets where delivery_id = %(delivery_id)s
"""
URLS = """
    select url_id, label, coalesce(type_label, '') as type_label, category, source_url, content_part,
        {click_count} as click_count, {click_share} as click_share
    from (
        select *, (array['Email click', 'Open', 'Opt-out', 'Web', 'Transaction', 'Mirror page'])[url_type] as type_label
        from marts.url_clicks where delivery_id = %(delivery_id)s
    ) as urls
    where label || ' ' || category || ' ' || source_url ilike %(pattern)s
    order by {rank}
"""


@dataclass(frozen=True)
class Filters:
    """What of the logs is shown; None leaves nothing out."""

    event_type: str | None = None
    label: str | None = None
    recipient_id: int | None = None
    since: str | None = None
    """A time on the clock of the reporting time zone."""
    until: str | None = None

    @property
    def any(self) -> bool:
        """Whether something may be left out."""
        return any(value is not None for value in vars(self).values())


def logs(snapshot: Snapshot, delivery_id: int, filters: Filters, before: str | None) -> dict[str, Any]:
    """A page of the logs, newest first, from the row after the key `before` on.

    `total` counts all events of the delivery that the audience counts, whatever the filters; `next_key` is None on the
    last page.
    """
    rows, next_key = paged(snapshot, MATCHING, before, delivery_id=delivery_id, **vars(filters))
    shown = list(map(_shown, rows))
    total = snapshot.rows(TOTAL, delivery_id=delivery_id)[0]["total"]
    return {
        "logs": Table("logs", "Tracking logs of the delivery", COLUMNS, shown),
        "total": total,
        "next_key": next_key,
    }


def exported_logs(snapshot: Snapshot, delivery_id: int, filters: Filters) -> Table:
    """All logs that the filters leave, read as they are written."""
    rows = snapshot.stream(MATCHING + NEWEST_FIRST, delivery_id=delivery_id, **vars(filters))
    return Table("logs", "Tracking logs of the delivery", COLUMNS + MORE_COLUMNS, map(_shown, rows))


def paged(snapshot: Snapshot, matching: str, before: str | None, **values: Any) -> tuple[list[Row], str | None]:
    """A page of the events that match, newest first, from the row after the key `before` on; and the next one's key."""
    key_at, _, key_id = (before or "").partition(" ")
    query = matching + (OLDER if before else "") + NEWEST_FIRST + PAGE
    rows = snapshot.rows(query, **values, key_at=key_at, key_id=key_id, size=PAGE_SIZE + 1)
    if len(rows) <= PAGE_SIZE:
        return rows, None
    last = rows[PAGE_SIZE - 1]
    return rows[:PAGE_SIZE], f"{last['occurred_at'].isoformat()} {last['event_id']}"


def urls(snapshot: Snapshot, delivery_id: int, search: str = "") -> Table:
    """The tracked URLs of a delivery, the most clicked first."""
    columns = (
        Column("label", "Label"),
        Column("type_label", "Type", Kind.CODE),
        Column("category", "Category"),
        Column("source_url", "Source URL"),
        Column("content_part", "Part"),
        Column("click_count", "Clicks", Kind.COUNT),
        Column("click_share", "Share", Kind.SHARE),
    )
    rows = snapshot.rows(URLS, delivery_id=delivery_id, pattern=holding(search))
    return Table("urls", "Tracked URLs of the delivery", columns, rows)


def typed(row: Row) -> Row:
    """The event with its type as readers know it."""
    return row | {"type_label": EVENT_TYPES[row["event_type"]]}


def _shown(row: Row) -> Row:
    return typed(row) | {"recipient": str(row["recipient_id"]) if row["recipient_id"] else "unknown"}
