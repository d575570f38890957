"""Audit of open_breakdown: the opens of a delivery, each in one family of the seeds."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="open_breakdown",
    expectations=[
        structure(
            "delivery_id", "operating_system", "device", "browser", "is_mobile", "open_count", "human_open_count"
        ),
        grain("delivery_id", "operating_system", "device", "browser"),
        never(
            "open_count_is_positive",
            "A row has opens, of everybody or of people, and no fewer than none of either.",
            """
            select delivery_id, operating_system, device, browser, open_count, human_open_count from {batch}
            where <<or {human}open_count < 0 >> or greatest(open_count, human_open_count) < 1
            """,
        ),
        never(
            "opens_add_up_to_the_indicators",
            "The opens of a delivery are those of its indicators (spec 4.8).",
            """
            select delivery_id, indicators.total_open_count, breakdown.open_count
            from changed.delivery_indicators as indicators
            full join (
                select delivery_id, <<, sum({human}open_count) as {human}open_count >> from {batch} group by delivery_id
            ) as breakdown using (delivery_id)
            where <<or coalesce(indicators.{human}total_open_count, -1) <> coalesce(breakdown.{human}open_count, 0) >>
            """,
        ),
        never(
            "names_are_families",
            "Operating systems and browsers are families of the seeds, Others or Unknown.",
            """
            select delivery_id, operating_system, browser
            from {batch}
            where
                operating_system not in (
                    select family from staging.operating_system_families union all values ('Others'), ('Unknown')
                )
                or browser not in (select family from staging.browser_families union all values ('Others'), ('Unknown'))
            """,
        ),
        never(
            "devices_are_mobile_or_fixed",
            "A device is a family of the seed and as mobile as that says, or Others or Unknown and not mobile (spec 4.8).",
            """
            select delivery_id, device, is_mobile
            from {batch}
            where (device, is_mobile) not in (
                select family, is_mobile from staging.device_families union all values ('Others', false), ('Unknown', false)
            )
            """,
        ),
    ],
)
