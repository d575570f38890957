"""Audit of tracking_statistics: 27 rows per delivery, times that only grow, series that the indicators confirm."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="tracking_statistics",
    expectations=[
        structure("delivery_id", "series", "percent", "seconds_to_percent", "human_seconds_to_percent"),
        grain("delivery_id", "series", "percent"),
        never(
            "every_delivery_has_27_rows",
            "Each delivery has nine percents, the tens from 10 to 90, of three series.",
            """
            select delivery_id, rows.row_count, rows.ten_count
            from changed.deliveries as deliveries
            full join (
                select
                    delivery_id,
                    count(*) as row_count,
                    count(*) filter (where percent between 10 and 90 and percent % 10 = 0) as ten_count
                from {batch} group by delivery_id
            ) as rows using (delivery_id)
            where deliveries.label is null or (rows.row_count, rows.ten_count) is distinct from (27, 27)
            """,
        ),
        never(
            "later_percents_take_longer",
            "A higher percent is not reached earlier, and a series has either all of its nine times or none.",
            """
            select delivery_id, series, percent
            from (
                select
                    delivery_id,
                    series,
                    percent,
                    seconds_to_percent,
                    human_seconds_to_percent,
                    <<, lag({human}seconds_to_percent) over percents as {human}earlier_seconds >>,
                    row_number() over percents as place
                from {batch}
                window percents as (partition by delivery_id, series order by percent)
            ) as compared
            where
                place > 1
                and (
                    <<or {human}seconds_to_percent < {human}earlier_seconds
                or ({human}seconds_to_percent is null) <> ({human}earlier_seconds is null) >>)
            """,
        ),
        never(
            "series_are_in_the_indicators",
            "A series has times exactly where the delivery has such events and a contact date.",
            """
            select rows.delivery_id, rows.series
            from {batch} as rows
            inner join changed.delivery_indicators as indicators on rows.delivery_id = indicators.delivery_id
            inner join changed.deliveries as deliveries on rows.delivery_id = deliveries.delivery_id
            where
                rows.percent = 90
                and (
                    <<or (rows.{human}seconds_to_percent is not null) <> (
                    deliveries.contact_at is not null
                    and case rows.series
                        when 'opens' then indicators.{human}total_open_count
                        when 'clicks' then indicators.{human}total_click_count
                        else indicators.{human}transaction_count
                    end > 0
                ) >>)
            """,
        ),
    ],
)
