"""Audit of user_activity: half hours that add up to the buckets and to the indicators."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="user_activity",
    expectations=[
        structure("delivery_id", "series", "half_hour_at", "event_count", "human_event_count"),
        grain("delivery_id", "series", "half_hour_at"),
        never(
            "event_count_is_positive",
            "A row is a half hour with events, of everybody or of people, and no fewer than none of either.",
            """
            select delivery_id, series, half_hour_at, event_count, human_event_count from {batch}
            where <<or {human}event_count < 0 >> or greatest(event_count, human_event_count) < 1
            """,
        ),
        never(
            "half_hours_are_aligned",
            "A half hour begins at a quarter of an hour by UTC: at a half hour, or between two in zones of 45 minutes.",
            "select delivery_id, series, half_hour_at from {batch} where extract(epoch from half_hour_at) % 900 <> 0",
        ),
        never(
            "opens_are_in_the_buckets",
            "A half hour of opens holds the opens of the buckets that begin in it (spec 4.6).",
            """
            select delivery_id, half_hour_at, activity.event_count, buckets.event_count as bucket_event_count
            from (select * from {batch} where series = 'opens') as activity
            left join (
                select
                    buckets.delivery_id,
                    starts.half_hour_at,
                    <<, sum(buckets.{human}event_count) as {human}event_count >>
                from changed.tracking_buckets as buckets
                cross join lateral (
                    values
                        (date_bin(interval '30 minutes', buckets.bucket_at, timestamptz '2000-01-01 00:00:00+00')),
                        (date_bin(interval '30 minutes', buckets.bucket_at, timestamptz '2000-01-01 00:15:00+00'))
                ) as starts (half_hour_at)
                where buckets.url_id = 1
                group by buckets.delivery_id, starts.half_hour_at
            ) as buckets using (delivery_id, half_hour_at)
            where <<or activity.{human}event_count is distinct from buckets.{human}event_count >>
            """,
        ),
        never(
            "series_add_up_to_the_indicators",
            "The half hours of a series add up to the delivery's opens, clicks and transactions (spec 4.6).",
            """
            select delivery_id, series, indicators.event_count as indicator_count, activity.event_count
            from (
                select delivery_id, series, <<, sum({human}event_count) as {human}event_count >>
                from {batch} group by delivery_id, series
            ) as activity
            full join (
                select indicators.delivery_id, counts.series, <<, counts.{human}event_count >>
                from changed.delivery_indicators as indicators
                cross join lateral (
                    values
                        ('opens', <<, indicators.{human}total_open_count >>),
                        ('clicks', <<, indicators.{human}total_click_count >>),
                        ('transactions', <<, indicators.{human}transaction_count >>)
                ) as counts (series, <<, {human}event_count >>)
            ) as indicators using (delivery_id, series)
            where <<or coalesce(indicators.{human}event_count, -1) <> coalesce(activity.{human}event_count, 0) >>
            """,
        ),
    ],
)
