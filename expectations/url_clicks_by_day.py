"""Audit of url_clicks_by_day: the days of a link add up to its clicks."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="url_clicks_by_day",
    expectations=[
        structure("delivery_id", "url_id", "click_date", "click_count", "human_click_count"),
        grain("delivery_id", "url_id", "click_date"),
        never(
            "click_count_is_positive",
            "A row is a day with clicks.",
            "select delivery_id, url_id, click_date, click_count from {batch} where click_count < 1",
        ),
        never(
            "days_add_up_to_the_link",
            "The days of a link add up to its clicks.",
            """
            select delivery_id, url_id, urls.click_count, days.click_count as day_click_count
            from changed.url_clicks as urls
            full join (
                select delivery_id, url_id, sum(click_count) as click_count, sum(human_click_count) as human_click_count
                from {batch} group by delivery_id, url_id
            ) as days using (delivery_id, url_id)
            where <<or coalesce(urls.{human}click_count, -1) <> coalesce(days.{human}click_count, 0) >>
            """,
        ),
    ],
)
