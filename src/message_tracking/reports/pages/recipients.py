"""The Tracking tab of a recipient (spec 6.4), and the way to it by id or address."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from message_tracking.reports.pages.tracking import NEWEST_FIRST, paged, typed
from message_tracking.reports.reading import Row, Snapshot
from message_tracking.reports.tables import Column, Kind, Table

MOST_FOUND = 20
LARGEST_ID = 2**63 - 1

BY_ID = "select * from marts_private.recipients where recipient_id = %(recipient_id)s"
# There is no index on addresses: all recipients are read, for as long as a page's statement may take.
BY_ADDRESS = "select * from marts_private.recipients where email = %(email)s order by recipient_id limit %(most)s"
MATCHING = """
    select
        events.occurred_at, events.event_id, events.url_label, events.event_type, events.delivery_id,
        coalesce(
            deliveries.label || ' (' || coalesce(nullif(deliveries.internal_name, ''), events.delivery_id::text) || ')',
            events.delivery_id::text
        ) as delivery
    from marts.tracking_events as events
    left join marts.deliveries as deliveries on events.delivery_id = deliveries.delivery_id
    where
        events.recipient_id = %(recipient_id)s
        and events.{is_counted}
        and (not %(is_clicks_only)s or events.event_type = 'click')
        and (%(delivery_id)s is null or events.delivery_id = %(delivery_id)s)
        and events.occurred_at >= coalesce(%(since)s::timestamptz, '-infinity')
        and events.occurred_at < coalesce(%(until)s::timestamptz, 'infinity')
"""
TOTAL = "select count(*) as total from marts.tracking_events where recipient_id = %(recipient_id)s and {is_counted}"

COLUMNS = (
    Column("occurred_at", "Date", Kind.INSTANT),
    Column("url_label", "Label"),
    Column("type_label", "Type", Kind.CODE),
    Column("delivery", "Delivery", Kind.LINK),
)


@dataclass(frozen=True)
class Filters:
    """What of the logs is shown; None leaves nothing out."""

    is_clicks_only: bool = False
    delivery_id: int | None = None
    since: str | None = None
    """A time on the clock of the reporting time zone."""
    until: str | None = None

    @property
    def any(self) -> bool:
        """Whether something may be left out."""
        return self != Filters()


def found(snapshot: Snapshot, wanted: str) -> list[Row]:
    """The recipients of an id or of exactly that address, at most MOST_FOUND."""
    if wanted.isascii() and wanted.isdecimal():
        return snapshot.rows(BY_ID, recipient_id=int(wanted)) if int(wanted) <= LARGEST_ID else []
    return snapshot.rows(BY_ADDRESS, email=wanted, most=MOST_FOUND)


def recipient(snapshot: Snapshot, recipient_id: int) -> Row | None:
    """The recipient of an id."""
    return snapshot.row(BY_ID, recipient_id=recipient_id)


def logs(
    snapshot: Snapshot, recipient_id: int, filters: Filters, before: str | None, leads: Callable[[int], str | None]
) -> dict[str, Any]:
    """A page of the recipient's logs, newest first, from the row after the key `before` on.

    `leads` gives the address of a delivery. `total` counts all events that the audience counts, whatever the filters;
    `next_key` is None on the last page.
    """
    rows, next_key = paged(snapshot, MATCHING, before, recipient_id=recipient_id, **vars(filters))
    shown = [typed(row) | {"href": leads(row["delivery_id"])} for row in rows]
    return {
        "logs": Table("logs", "Recipient tracking logs", COLUMNS, shown),
        "total": snapshot.rows(TOTAL, recipient_id=recipient_id)[0]["total"],
        "next_key": next_key,
    }


def exported_logs(snapshot: Snapshot, recipient_id: int, filters: Filters) -> Table:
    """All logs of the recipient that the filters leave, read as they are written."""
    rows = snapshot.stream(MATCHING + NEWEST_FIRST, recipient_id=recipient_id, **vars(filters))
    return Table("logs", "Recipient tracking logs", COLUMNS, map(typed, rows))
