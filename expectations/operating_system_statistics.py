"""Audit of operating_system_statistics: visitors of a day by operating systems, whom the visits confirm."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import never, visitor_checks

SUITE = ExpectationSuite(
    name="operating_system_statistics",
    expectations=[
        *visitor_checks("operating_system_statistics"),
        never(
            "days_are_those_of_the_browsers",
            "A day has as many visitors by operating systems as by browsers (spec 4.9).",
            """
            select activity_date, systems.day_visitor_count, browsers.day_visitor_count as browser_day_visitor_count
            from (
                select activity_date, <<, max({human}day_visitor_count) as {human}day_visitor_count >>
                from {batch} group by activity_date
            ) as systems
            full join (
                select activity_date, <<, max({human}day_visitor_count) as {human}day_visitor_count >>
                from changed.browser_statistics group by activity_date
            ) as browsers using (activity_date)
            where <<or systems.{human}day_visitor_count is distinct from browsers.{human}day_visitor_count >>
            """,
        ),
    ],
)
