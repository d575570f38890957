"""Audit of browser_statistics: visitors of a day by browsers, whom the visits confirm."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import never, visitor_checks

SUITE = ExpectationSuite(
    name="browser_statistics",
    expectations=[
        *visitor_checks("browser_statistics"),
        never(
            "visits_are_in_the_click_stream",
            "The visits have grown by the clicks and visited pages of the click stream that are somebody's (spec 4.9).",
            """
            select user_agent_id, visits.click_count, events.click_count as stream_click_count, visits.page_count, events.page_count as stream_page_count
            from (
                select
                    user_agent_id,
                    <<, sum(change * {human}click_count) as {human}click_count,
                    sum(change * {human}page_count) as {human}page_count >>
                from changes.int_visitors__pages
                group by user_agent_id
            ) as visits
            full join (
                select
                    events.user_agent_id,
                    <<, sum(events.change) filter (where events.{human}is_counted and events.event_type = 'click')
                    as {human}click_count,
                    sum(events.change) filter (where events.{human}is_counted) as {human}page_count >>
                from changes.int_tracking_events__judged as events
                where
                    events.is_in_totals
                    and events.event_type in ('click', 'web', 'transaction')
                    and (events.person_id is not null or events.message_id <> 0)
                group by events.user_agent_id
            ) as events using (user_agent_id)
            where
                <<or (coalesce(visits.{human}click_count, 0), coalesce(visits.{human}page_count, 0))
                <> (coalesce(events.{human}click_count, 0), coalesce(events.{human}page_count, 0)) >>
            """,
        ),
    ],
)
