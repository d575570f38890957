"""The dashboard of a delivery (spec 6.2): what was sent, how it went, and the way to its reports."""

from typing import Any

from message_tracking.reports.reading import Snapshot
from message_tracking.reports.tables import Column, Kind, Table, ratio

SUMMARY = """
    select
        deliveries.*, summary.rejected_count, summary.new_quarantine_count,
        {estimated_recipient_open_count} as estimated_recipient_open_count,
        {recipient_click_count} as recipient_click_count, {person_click_count} as person_click_count,
        {total_click_count} as total_click_count, {opt_out_click_count} as opt_out_click_count,
        {reactivity_rate} as reactivity_rate
    from marts.deliveries as deliveries
    inner join marts.delivery_summary as summary on deliveries.delivery_id = summary.delivery_id
    inner join marts.delivery_indicators as indicators on deliveries.delivery_id = indicators.delivery_id
    where deliveries.delivery_id = %(delivery_id)s
"""
EXCLUSIONS = """
    select coalesce(nullif(reason_label, ''), reason) as reason, exclusion_count, exclusion_share
    from marts.delivery_exclusions where delivery_id = %(delivery_id)s order by exclusion_count desc, reason
"""

TILES = (
    ("tracking", "Tracking", "Logs and URLs, event by event"),
    ("click-streams", "URLs and click streams", "The most visited links, and clicks over time"),
    ("statistics", "Tracking statistics", "How long opens, clicks and transactions take"),
    ("indicators", "Tracking indicators", "Opens, clicks and rates, by e-mail domain too"),
    ("activities", "User activities", "When people open, click and buy"),
    ("delivery-statistics", "Delivery statistics", "Delivered, bounced, opened and clicked by domain"),
    ("opens", "Breakdown of opens", "Systems, devices and browsers"),
    ("sharing", "Sharing to social networks", "Shares by network"),
    ("summary", "Delivery summary", "Target, exclusions, success and errors"),
    ("bounces", "Non-deliverables and bounces", "Errors by type and by domain"),
)
"""The reports of a delivery: path, title, and what it answers."""


def report(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
    """Figures, tiles and exclusions of a delivery."""
    figures = snapshot.rows(SUMMARY, delivery_id=delivery_id)[0]
    to_deliver, success = figures["to_deliver_count"], figures["success_count"]
    columns = (
        Column("reason", "Cause of exclusion"),
        Column("exclusion_count", "Recipients", Kind.COUNT),
        Column("exclusion_share", "Share", Kind.SHARE),
    )
    exclusions = snapshot.rows(EXCLUSIONS, delivery_id=delivery_id)
    return {
        "figures": figures,
        "processed_rate": ratio(figures["processed_count"], to_deliver),
        "success_rate": ratio(success, to_deliver),
        "open_rate": ratio(figures["estimated_recipient_open_count"], success),
        "click_rate": ratio(figures["recipient_click_count"], success),
        "exclusions": Table("exclusions", "Exclusions", columns, exclusions),
        "tiles": TILES,
    }
