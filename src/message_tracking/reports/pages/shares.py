"""Reports that are tables of parts of a delivery: by domain, by agent, by network, by reason (spec 4.7 to 4.12)."""

from collections.abc import Mapping
from typing import Any

from message_tracking.reports.reading import Row, Snapshot
from message_tracking.reports.tables import Column, Kind, Table, ratio

DOMAINS = """
    select
        domain, processed_count, success_count, hard_bounce_count, soft_bounce_count,
        {recipient_open_count} as recipient_open_count, {person_click_count} as person_click_count,
        {opt_out_click_count} as opt_out_click_count
    from marts.domain_indicators where delivery_id = %(delivery_id)s
    order by domain = 'Others', processed_count, domain
"""
OPENS = """
    select operating_system, device, browser, is_mobile, {open_count} as open_count
    from marts.open_breakdown where delivery_id = %(delivery_id)s and {open_count} > 0
"""
NETWORKS = """
    select
        network, {share_count} as share_count, {share_breakdown_rate} as share_breakdown_rate,
        {sharing_rate} as sharing_rate
    from marts.sharing_activity where delivery_id = %(delivery_id)s order by network
"""
SUMMARY = "select * from marts.delivery_summary where delivery_id = %(delivery_id)s"
BOUNCES = """
    select
        domain, coalesce(nullif(failure_label, ''), failure_reason::text) as reason,
        error_count, domain_processed_count
    from marts.bounces where delivery_id = %(delivery_id)s
"""
PROCESSED = "select processed_count, error_count from marts.deliveries where delivery_id = %(delivery_id)s"

RATED_DOMAINS = (
    ("delivered", "Delivered", "success_count", "processed_count"),
    ("hard", "Hard bounces", "hard_bounce_count", "processed_count"),
    ("soft", "Soft bounces", "soft_bounce_count", "processed_count"),
    ("opens", "Opens", "recipient_open_count", "success_count"),
    ("clicks", "Clicks", "person_click_count", "success_count"),
    ("opt_outs", "Unsubscriptions", "opt_out_click_count", "success_count"),
)
AGENTS = (("operating_system", "Operating systems"), ("device", "Devices"), ("browser", "Browsers"))


def delivery_statistics(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
    """Delivery statistics by e-mail domain (spec 4.7)."""
    rows = snapshot.rows(DOMAINS, delivery_id=delivery_id)
    total: Row = {key: sum(row[key] or 0 for row in rows) for _, _, *keys in RATED_DOMAINS for key in keys}
    total["domain"] = "Total"
    for row in (*rows, total):
        row |= {name: ratio(row[part], row[whole]) for name, _, part, whole in RATED_DOMAINS}
    columns = (
        Column("domain", "E-mail domain"),
        Column("processed_count", "Processed e-mails", Kind.COUNT),
        *(Column(name, label, Kind.RATE) for name, label, _, _ in RATED_DOMAINS),
    )
    return {"tables": [Table("domains", "Delivery statistics by e-mail domain", columns, rows, [total])]}


def open_breakdown(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
    """Opens by operating system, device and browser, on all devices and on mobile ones (spec 4.8)."""
    opens = snapshot.rows(OPENS, delivery_id=delivery_id)
    mobile = [row for row in opens if row["is_mobile"]]
    return {
        "tables": [
            _parts(f"{key}{suffix}", f"{label}, {devices}", label, _summed(rows, key, "open_count"), "Opens")
            for key, label in AGENTS
            for suffix, devices, rows in (("", "fixed and mobile", opens), ("_mobile", "mobile only", mobile))
        ]
    }


def sharing(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
    """Sharing to social networks (spec 4.10)."""
    rows = snapshot.rows(NETWORKS, delivery_id=delivery_id)
    shares = sum(row["share_count"] for row in rows)
    total = {
        "network": "Total",
        "share_count": shares,
        "share_breakdown_rate": ratio(shares, shares),
        "sharing_rate": sum(row["sharing_rate"] for row in rows),
    }
    columns = (
        Column("network", "Network"),
        Column("share_count", "Shares", Kind.COUNT),
        Column("share_breakdown_rate", "Breakdown", Kind.SHARE),
        Column("sharing_rate", "Sharing rate", Kind.RATE),
    )
    return {"tables": [Table("sharing", "Sharing to social networks", columns, rows, [total])]}


def delivery_summary(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
    """Delivery summary (spec 4.11)."""
    found = snapshot.rows(SUMMARY, delivery_id=delivery_id)[0]
    target, to_deliver = found["target_count"], found["to_deliver_count"]
    columns = (Column("label", "Figure"), Column("value", "Messages", Kind.COUNT), Column("rate", "Share", Kind.SHARE))
    target_rows = [
        {"label": "Initial population", "value": target, "rate": ratio(target, target)},
        {"label": "Rejected by exclusion rules", "value": found["rejected_count"], "rate": found["rejected_rate"]},
    ]
    sent_rows = [
        {"label": "Messages to deliver", "value": to_deliver, "rate": ratio(to_deliver, to_deliver)},
        {"label": "Success", "value": found["success_count"], "rate": found["success_rate"]},
        {"label": "Errors", "value": found["error_count"], "rate": found["error_rate"]},
        {"label": "New quarantines", "value": found["new_quarantine_count"], "rate": found["new_quarantine_rate"]},
    ]
    return {
        "tables": [
            Table("target", "Target", columns, target_rows),
            Table("sent", "Messages", columns, sent_rows),
        ]
    }


def bounces(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
    """Non-deliverables and bounces by type and by domain (spec 4.12)."""
    rows = snapshot.rows(BOUNCES, delivery_id=delivery_id)
    whole = snapshot.rows(PROCESSED, delivery_id=delivery_id)[0]
    processed = {row["domain"]: row["domain_processed_count"] for row in rows}
    by_type = _summed(rows, "reason", "error_count")
    by_domain = _summed(rows, "domain", "error_count")
    return {
        "tables": [
            _errors("by_type", "By type", "Error", by_type, dict.fromkeys(by_type, whole["processed_count"])),
            _errors("by_domain", "By e-mail domain", "E-mail domain", by_domain, processed),
        ]
    }


def _errors(name: str, caption: str, label: str, counts: dict[str, int], processed: Mapping[str, int | None]) -> Table:
    total = sum(counts.values())
    rows = [
        {
            "name": key,
            "count": count,
            "contribution": ratio(count, total),
            "breakdown": ratio(count, processed[key]),
        }
        for key, count in counts.items()
    ]
    columns = (
        Column("name", label),
        Column("count", "Errors", Kind.COUNT),
        Column("contribution", "Contribution", Kind.SHARE),
        Column("breakdown", "Breakdown", Kind.RATE),
    )
    return Table(name, caption, columns, rows)


def _parts(name: str, caption: str, label: str, counts: dict[str, int], unit: str) -> Table:
    total = sum(counts.values())
    rows = [{"name": key, "count": count, "share": ratio(count, total)} for key, count in counts.items()]
    columns = (Column("name", label), Column("count", unit, Kind.COUNT), Column("share", "Share", Kind.SHARE))
    return Table(name, caption, columns, rows, [{"name": "Total", "count": total, "share": ratio(total, total)}])


def _summed(rows: list[Row], key: str, value: str) -> dict[str, int]:
    """The sum of each name, the greatest first."""
    sums: dict[str, int] = {}
    for row in rows:
        sums[row[key]] = sums.get(row[key], 0) + row[value]
    return dict(sorted(sums.items(), key=lambda one: (-one[1], one[0])))
