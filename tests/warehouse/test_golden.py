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
    "deliveries": ("delivery_id",),
    "delivery_indicators": ("delivery_id",),
    "message_engagement": ("delivery_id", "message_id"),
    "tracking_buckets": ("delivery_id", "url_id", "bucket_at"),
    "tracking_events": ("delivery_id", "url_id", "message_id", "occurred_at", "event_type"),
    "tracking_statistics": ("delivery_id", "series", "percent"),
    "url_category_clicks": ("delivery_id", "category"),
    "url_clicks": ("delivery_id", "url_id"),
    "url_clicks_by_day": ("delivery_id", "url_id", "click_date"),
    "url_label_clicks": ("delivery_id", "label"),
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
    removed = fetch_all(connection, "select sum(duplicate_open_count) from intermediate.int_deliveries__event_counts")
    assert removed == [(63,)]


def test_worked_example_gives_the_printed_figures(pipeline, landing, connect_as):
    landing.copy(WORKED_EXAMPLE)
    pipeline.run()
    expected = json.loads((WORKED_EXAMPLE / "expected.json").read_text())
    reader = connect_as("bi_reader")
    derived = expected["derived_from_the_formulas"]
    figures = expected["printed_by_the_documentation"] | {
        name: derived[name] for name in ("recipient_open_count", "total_open_count")
    }
    for name, value in figures.items():
        relation = "deliveries" if name in {"to_deliver_count", "success_count"} else "delivery_indicators"
        found = fetch_all(reader, f"select {name} from marts.{relation} where delivery_id = 451589302")[0][0]
        assert round(float(found), 4) == value, name
    clicks = fetch_all(reader, "select label, click_count from marts.url_clicks")
    assert dict(clicks) == derived["url_clicks"]
    shares = fetch_all(reader, "select round(click_share, 4) from marts.url_clicks")
    assert {float(share) for (share,) in shares} == {0.3333}
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
    assert fetch_all(reader, "select count(*) from marts.tracking_events") == [(derived["tracking_event_count"],)]
    rows = fetch_all(
        connect_as("tracking_analyst"),
        """
        select first_name, count(event_id)
        from marts_private.recipients left join marts.tracking_events using (recipient_id)
        group by first_name
        """,
    )
    assert dict(rows) == derived["recipient_tracking_rows"]
