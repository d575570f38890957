"""What has to come out equal of the largest marts where two ways have led to them."""

from collections.abc import Callable
from typing import Any

FIGURES = {
    "tracking_events": """
        select
            count(*), count(distinct event_id), count(distinct person_id), sum(message_id), sum(recipient_id),
            sum(url_type), sum((seconds_since_sent * 1000000)::bigint), sum((transaction_amount * 100)::bigint),
            sum(article_count), count(*) filter (where is_known_url), count(*) filter (where event_type = 'click')
        from tracking_events where is_counted
    """,
    "message_engagement": """
        select
            count(*), sum(message_id), sum(recipient_id), sum(status), sum(open_count), sum(click_count),
            count(*) filter (where has_opted_out), sum((extract(epoch from last_opened_at) * 1000)::bigint)
        from message_engagement
    """,
    "tracking_buckets": """
        select count(*), sum(event_count), sum(url_id), sum(extract(epoch from bucket_at)::bigint)
        from tracking_buckets
    """,
    "url_clicks": "select count(*), sum(click_count), sum(rank), sum(rank * click_count) from url_clicks",
    "url_clicks_by_day": """
        select count(*), sum(click_count), count(distinct click_date), min(click_date) - date '2000-01-01'
        from url_clicks_by_day
    """,
    "tracking_statistics": """
        select count(*), count(seconds_to_percent), sum((seconds_to_percent * 1000)::bigint) from tracking_statistics
    """,
}
"""Counts and sums of the largest marts, in words that Postgres and DuckDB both understand; of the full audience."""


def figures(query: Callable[[str], list[tuple[Any, ...]]]) -> dict[str, Any]:
    """Read them, by mart, as whole numbers."""
    return {mart: [int(figure) for figure in query(select)[0]] for mart, select in FIGURES.items()}
