"""Audit of tracking_buckets: the five-minute figures add up to the click stream."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="tracking_buckets",
    expectations=[
        structure("delivery_id", "url_id", "bucket_at", "event_count", "human_event_count"),
        grain("delivery_id", "url_id", "bucket_at"),
        never(
            "event_count_is_positive",
            "A bucket has at least one event, of everybody or of people, and no fewer than none of either.",
            """
            select delivery_id, url_id, bucket_at, event_count, human_event_count from {batch}
            where <<or {human}event_count < 0 >> or greatest(event_count, human_event_count) < 1
            """,
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
                select delivery_id, url_id, <<, sum(change * {human}event_count) as {human}event_count >>
                from changes.tracking_buckets group by delivery_id, url_id
            ) as buckets
            full join (
                select delivery_id, url_id, <<, sum(change) filter (where {human}is_counted) as {human}event_count >>
                from changes.int_tracking_events__judged group by delivery_id, url_id
            ) as events using (delivery_id, url_id)
            where <<or coalesce(buckets.{human}event_count, 0) <> coalesce(events.{human}event_count, 0) >>
            """,
        ),
    ],
)
