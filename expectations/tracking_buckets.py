"""Audit of tracking_buckets: the five-minute figures add up to the click stream."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="tracking_buckets",
    expectations=[
        structure("delivery_id", "url_id", "bucket_at", "event_count"),
        grain("delivery_id", "url_id", "bucket_at"),
        never(
            "event_count_is_positive",
            "A bucket has at least one event.",
            "select delivery_id, url_id, bucket_at, event_count from {batch} where event_count < 1",
        ),
        never(
            "bucket_is_aligned",
            "Buckets start at whole five minutes (spec 8.25).",
            "select delivery_id, url_id, bucket_at from {batch} where extract(epoch from bucket_at) % 300 <> 0",
        ),
        never(
            "adds_up_to_the_click_stream",
            "For each delivery and URL the buckets have got as many events as the click stream.",
            """
            select delivery_id, url_id, buckets.event_count as bucket_event_count, events.event_count as stream_event_count
            from (
                select delivery_id, url_id, sum(change * event_count) as event_count
                from changes.tracking_buckets group by delivery_id, url_id
            ) as buckets
            full join (
                select delivery_id, url_id, sum(change) as event_count
                from changes.int_tracking_events__judged
                where is_counted group by delivery_id, url_id
            ) as events using (delivery_id, url_id)
            where coalesce(buckets.event_count, 0) <> coalesce(events.event_count, 0)
            """,
        ),
    ],
)
