"""Tracking indicators (spec 4.2)."""

from decimal import Decimal
from typing import Any

from message_tracking.reports.reading import Row, Snapshot
from message_tracking.reports.tables import Column, Kind, Table, percent, ratio, rounded

INDICATORS = """
    select
        deliveries.to_deliver_count, deliveries.success_count,
        {estimated_recipient_open_count} as estimated_recipient_open_count,
        {estimated_total_open_count} as estimated_total_open_count,
        {opt_out_click_count} as opt_out_click_count, {mirror_page_click_count} as mirror_page_click_count,
        {forward_count} as forward_count, {person_click_count} as person_click_count,
        {total_click_count} as total_click_count, {recipient_click_count} as recipient_click_count,
        {reactivity_rate} as reactivity_rate, {visited_page_count} as visited_page_count,
        {transaction_count} as transaction_count, {transaction_amount} as transaction_amount,
        {article_count} as article_count
    from marts.delivery_indicators as indicators
    inner join marts.deliveries as deliveries on indicators.delivery_id = deliveries.delivery_id
    where indicators.delivery_id = %(delivery_id)s
"""
DOMAINS = """
    select
        domain, success_count, complaint_count, complaint_rate, {recipient_open_count} as recipient_open_count,
        {open_rate} as open_rate, {recipient_click_count} as recipient_click_count, {click_rate} as click_rate,
        {raw_reactivity_rate} as raw_reactivity_rate
    from marts.domain_indicators where delivery_id = %(delivery_id)s
    order by domain = 'Others', success_count, domain
"""
SHARES = """
    select network, {share_count} as share_count, {share_breakdown_rate} as share_breakdown_rate
    from marts.sharing_activity where delivery_id = %(delivery_id)s order by network
"""

RECEPTION = (
    ("Distinct opens for the population reached", "estimated_recipient_open_count"),
    ("Sum of opens for the population reached", "estimated_total_open_count"),
    ("Clicks on the opt-out link", "opt_out_click_count"),
    ("Clicks on the mirror page link", "mirror_page_click_count"),
    ("Estimation of forwards", "forward_count"),
)
CLICK_STREAMS = (
    ("Distinct clicks for the population reached", "person_click_count"),
    ("Cumulated clicks", "total_click_count"),
    ("Recipient clicks", "recipient_click_count"),
)
COMPLAINT_PLACES = 3


def report(snapshot: Snapshot, delivery_id: int) -> dict[str, Any]:
    """The six blocks of the report."""
    figures = snapshot.row(INDICATORS, delivery_id=delivery_id)
    if figures is None:
        return {"blocks": []}
    return {
        "blocks": [
            _sent(figures),
            _rated("reception", "Reception statistics", RECEPTION, figures),
            _domains(snapshot, delivery_id),
            _click_streams(figures),
            _web(figures),
            _sharing(snapshot, delivery_id),
        ]
    }


def _sent(figures: Row) -> Table:
    rows = [
        {"label": "Messages to deliver", "value": figures["to_deliver_count"]},
        {"label": "Success", "value": figures["success_count"]},
    ]
    return Table("delivery", "Delivery statistics", _columns(has_rate=False), rows)


def _rated(name: str, caption: str, lines: tuple[tuple[str, str], ...], figures: Row) -> Table:
    success = figures["success_count"]
    rows = [{"label": label, "value": figures[key], "rate": ratio(figures[key], success)} for label, key in lines]
    return Table(name, caption, _columns(), rows)


def _click_streams(figures: Row) -> Table:
    table = _rated("click_streams", "Generated click streams", CLICK_STREAMS, figures)
    reactivity = {"label": "Estimated recipient reactivity", "rate": figures["reactivity_rate"]}
    return Table(table.name, table.caption, table.columns, [*table.rows, reactivity])


def _web(figures: Row) -> Table:
    amount, transactions = figures["transaction_amount"], figures["transaction_count"]
    lines = (
        ("Visited pages", figures["visited_page_count"]),
        ("Transactions", transactions),
        ("Total amount", _amount(amount)),
        ("Average transaction amount", _amount(ratio(amount, transactions))),
        ("Articles", figures["article_count"]),
        ("Average count of articles per transaction", _amount(ratio(figures["article_count"], transactions))),
        ("Average amount per message", _amount(ratio(amount, figures["to_deliver_count"]))),
    )
    rows = [{"label": label, "value": value} for label, value in lines]
    return Table("web", "Web tracking", _columns(has_rate=False), rows)


def _domains(snapshot: Snapshot, delivery_id: int) -> Table:
    rows = snapshot.rows(DOMAINS, delivery_id=delivery_id)
    counts = ("success_count", "complaint_count", "recipient_open_count", "recipient_click_count")
    total: Row = {key: sum(row[key] or 0 for row in rows) for key in counts}
    success = total["success_count"]
    total |= {
        "domain": "Total",
        "complaint_rate": ratio(total["complaint_count"], success),
        "open_rate": ratio(total["recipient_open_count"], success),
        "click_rate": ratio(total["recipient_click_count"], success),
        "raw_reactivity_rate": ratio(total["recipient_click_count"], total["recipient_open_count"]),
    }
    for row in (*rows, total):
        row["complaint_rate"] = f"{percent(row['complaint_rate'], COMPLAINT_PLACES)} %"
    columns = (
        Column("domain", "E-mail domain"),
        Column("success_count", "Sent", Kind.COUNT),
        Column("complaint_count", "Complaints", Kind.COUNT),
        Column("complaint_rate", "Complaints (as %)", Kind.PRINTED),
        Column("recipient_open_count", "Opens", Kind.COUNT),
        Column("open_rate", "Opens (as %)", Kind.RATE),
        Column("recipient_click_count", "Clicks", Kind.COUNT),
        Column("click_rate", "Clicks (as %)", Kind.RATE),
        Column("raw_reactivity_rate", "Raw reactivity", Kind.RATE),
    )
    return Table("domains", "Open and click-through rate", columns, rows, [total])


def _sharing(snapshot: Snapshot, delivery_id: int) -> Table:
    rows = snapshot.rows(SHARES, delivery_id=delivery_id)
    columns = (
        Column("network", "Network"),
        Column("share_count", "Shares", Kind.COUNT),
        Column("share_breakdown_rate", "Breakdown", Kind.RATE),
    )
    return Table("sharing", "Sharing", columns, rows)


def _columns(*, has_rate: bool = True) -> tuple[Column, ...]:
    columns = (Column("label", "Indicator"), Column("value", "Value", Kind.COUNT))
    return (*columns, Column("rate", "Rate", Kind.RATE)) if has_rate else columns


def _amount(value: Decimal | int | None) -> Decimal:
    return rounded(value or 0, 2)
