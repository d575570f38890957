"""The golden deliveries: every figure that an independent reading of the spec expects, compared row by row."""

import csv
import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import message_tracking.sample
from message_tracking.warehouse import fetch_all

WORKED_EXAMPLE = Path(message_tracking.sample.__file__).parent / "golden" / "worked-example"

KEYS = {
    "bounces": ("delivery_id", "domain", "failure_reason"),
    "deliveries": ("delivery_id",),
    "delivery_exclusions": ("delivery_id", "reason"),
    "delivery_indicators": ("delivery_id",),
    "delivery_summary": ("delivery_id",),
    "browser_statistics": ("activity_date", "name", "version"),
    "domain_indicators": ("delivery_id", "domain"),
    "hot_clicks": ("delivery_id", "url_id"),
    "message_engagement": ("delivery_id", "message_id"),
    "open_breakdown": ("delivery_id", "operating_system", "device", "browser"),
    "operating_system_statistics": ("activity_date", "name", "version"),
    "sharing_activity": ("delivery_id", "network"),
    "tracking_buckets": ("delivery_id", "url_id", "bucket_at"),
    "tracking_events": ("delivery_id", "url_id", "message_id", "occurred_at", "event_type"),
    "tracking_statistics": ("delivery_id", "series", "percent"),
    "url_category_clicks": ("delivery_id", "category"),
    "url_clicks": ("delivery_id", "url_id"),
    "url_clicks_by_day": ("delivery_id", "url_id", "click_date"),
    "url_label_clicks": ("delivery_id", "label"),
    "user_activity": ("delivery_id", "series", "half_hour_at"),
}


def as_compared(value: Any) -> Any:
    """Bring a database value and a CSV text to one form: instants in UTC, numbers to 15 digits, null as ''."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    text = str(value)
    try:
        return str(float(f"{Decimal(text):.14e}"))
    except ArithmeticError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat() if text[4:5] == "-" else text
    except ValueError:
        return text


@pytest.fixture(scope="module")
def expected_of():
    def read(folder, relation):
        with (folder / f"{relation}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        columns = list(rows[0])
        return columns, Counter(tuple(as_compared(row[column]) for column in columns) for row in rows)

    return read


def test_second_case_equals_the_independent_reading(pipeline, landing, golden, connection, expected_of):
    case = golden("second-case")
    landing.copy(case)
    summaries = pipeline.load()
    logs = [summary for summary in summaries if summary.server]
    assert sum(summary.line_count for summary in logs) == 758
    assert sum(summary.accepted for summary in logs) == 738
    assert sum(summary.rejected for summary in logs) == 20
    pipeline.publish()
    for relation in KEYS:
        columns, expected = expected_of(case / "expected", relation)
        found = Counter(
            tuple(as_compared(value) for value in row)
            for row in fetch_all(connection, f"select {', '.join(columns)} from marts.{relation}")
        )
        assert found - expected == Counter(), f"{relation}: rows too many"
        assert expected - found == Counter(), f"{relation}: rows missing"
    shown = "select (select count(*) from marts.source_freshness), (select count(*) from (table marts.source_freshness except table ops.source_freshness) as rows)"
    assert fetch_all(connection, shown) == [(2, 0)]
    removed = fetch_all(connection, "select sum(duplicate_open_count) from intermediate.int_deliveries__counts")
    assert removed == [(63,)]


# The measures that are additive, from the log rows and from the five-minute buckets of the delivery (spec 4.1).
FROM_LOGS = """
    select
        count(*) filter (where event_type = 'open') as total_open_count,
        count(*) filter (where event_type = 'click') as total_click_count,
        count(*) filter (where event_type = 'opt_out') as opt_out_click_count,
        count(*) filter (where event_type = 'mirror_page') as mirror_page_click_count,
        count(distinct message_id) as recipient_open_count,
        count(distinct message_id) filter (where event_type = 'click') as recipient_click_count,
        count(distinct person_id) filter (where event_type = 'click') as person_click_count
    from marts.tracking_events
    where is_counted and delivery_id = 451589302
"""
FROM_BUCKETS = """
    select
        sum(event_count) filter (where url_id = 1) as total_open_count,
        sum(event_count) filter (where url_type = 1) as total_click_count,
        coalesce(sum(event_count) filter (where url_type = 3), 0) as opt_out_click_count,
        coalesce(sum(event_count) filter (where url_type = 6), 0) as mirror_page_click_count
    from marts.tracking_buckets
    left join marts.url_clicks using (delivery_id, url_id)
    where delivery_id = 451589302
"""


@pytest.fixture
def worked_example(pipeline, landing, connect_as):
    """What the worked example gives, and a reader of the published marts."""
    landing.copy(WORKED_EXAMPLE)
    pipeline.run()
    expected = json.loads((WORKED_EXAMPLE / "expected.json").read_text())
    return expected["printed_by_the_documentation"], expected["derived_from_the_formulas"], connect_as("bi_reader")


def one_row(reader, query):
    """The columns of a query's one row, by name."""
    with reader.cursor() as cursor:
        cursor.execute(query)
        return dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))


def test_worked_example_gives_every_figure_in_every_way(worked_example, connect_as):
    printed, derived, reader = worked_example
    figures = printed | {name: derived[name] for name in ("recipient_open_count", "total_open_count")}
    stored = one_row(reader, "select * from marts.deliveries join marts.delivery_indicators using (delivery_id)")
    assert {name: round(float(stored[name]), 4) for name in figures} == figures
    for way in (FROM_LOGS, FROM_BUCKETS):
        assert one_row(reader, way).items() <= figures.items()
    assert stored["platform_cumulated_click_rate"] == stored["cumulated_click_rate"]

    assert one_row(reader, "select count(*) from marts.tracking_events") == {"count": derived["tracking_event_count"]}
    buckets: dict[str, dict[str, int]] = {}
    for bucket_at, label, count in fetch_all(
        reader,
        """
        select to_char(bucket_at at time zone 'UTC', 'HH24:MI'), coalesce(label, 'open'), event_count
        from marts.tracking_buckets left join marts.url_clicks using (delivery_id, url_id)
        """,
    ):
        buckets.setdefault(bucket_at, {})[label] = count
    assert buckets == derived["tracking_buckets"]
    for relation in ("url_clicks", "url_label_clicks"):
        rows = fetch_all(reader, f"select label, click_count, round(click_share, 4)::float8 from marts.{relation}")
        assert {label: count for label, count, _ in rows} == derived["url_clicks"]
        assert {share for _, _, share in rows} == {0.3333}
    assert fetch_all(reader, "select sum(click_count), min(click_date)::text from marts.url_clicks_by_day") == [
        (15, "2012-02-20")
    ]
    hot_clicks = fetch_all(
        reader, "select label, click_count, round(click_share, 4)::float8, is_drawn from marts.hot_clicks"
    )
    assert {
        label: {"click_count": count, "click_share": share, "is_drawn": is_drawn}
        for label, count, share, is_drawn in hot_clicks
    } == derived["hot_clicks"]
    rows = fetch_all(
        connect_as("tracking_analyst"),
        """
        select first_name, count(event_id)
        from marts_private.recipients left join marts.tracking_events using (recipient_id)
        group by first_name
        """,
    )
    assert dict(rows) == derived["recipient_tracking_rows"]
    engaged = fetch_all(
        connect_as("tracking_analyst"),
        """
        select first_name, has_opened, has_clicked, open_count + click_count
        from marts_private.recipients join marts.message_engagement using (recipient_id)
        """,
    )
    assert {name: reactions for name, _, _, reactions in engaged} == derived["recipient_tracking_rows"]
    assert {name for name, has_opened, _, _ in engaged if has_opened} == {"Marie", "Florian", "Henry"}
    assert {name for name, _, has_clicked, _ in engaged if has_clicked} == {"Florian", "Henry"}
