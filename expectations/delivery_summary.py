"""Audit of delivery_summary: the figures of each delivery, and that they go together."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="delivery_summary",
    expectations=[
        structure(
            "delivery_id",
            "target_count",
            "rejected_count",
            "rejected_rate",
            "to_deliver_count",
            "success_count",
            "success_rate",
            "error_count",
            "error_rate",
            "new_quarantine_count",
            "new_quarantine_rate",
        ),
        grain("delivery_id"),
        never(
            "figures_are_the_delivery_s",
            "There is a row for every delivery and for nothing else, with the counts that deliveries and the reference data have.",
            """
            select delivery_id
            from (
                select *, true as is_row from {batch}
            ) as rows
            full join (
                select *, true as is_delivery from changed.deliveries
            ) as deliveries using (delivery_id)
            left join changed.stg_delivery_data__deliveries as described using (delivery_id)
            where
                (
                    is_row, rows.target_count, rows.to_deliver_count, rows.success_count, rows.error_count,
                    rows.rejected_count, rows.new_quarantine_count
                ) is distinct from (
                    is_delivery, deliveries.target_count, deliveries.to_deliver_count, deliveries.success_count,
                    deliveries.error_count, described.rejected_count, described.new_quarantine_count
                )
            """,
        ),
        never(
            "counts_are_possible",
            "No count of the reference data is negative; any may be missing.",
            """
            select delivery_id, rejected_count, new_quarantine_count
            from {batch}
            where least(rejected_count, new_quarantine_count) < 0
            """,
        ),
        never(
            "rates_are_part_over_base",
            "Rates are fractions of the row's own figures, 0 where the base is 0 (spec 4.11).",
            """
            select delivery_id
            from {batch}
            cross join lateral (
                values
                (rejected_rate, coalesce(rejected_count, 0), coalesce(target_count, 0)),
                (success_rate, success_count, coalesce(to_deliver_count, 0)),
                (error_rate, error_count, coalesce(to_deliver_count, 0)),
                (new_quarantine_rate, coalesce(new_quarantine_count, 0), coalesce(to_deliver_count, 0))
            ) as rates (rate, part, base)
            where abs(rate * base - case when base = 0 then 0 else part end) > 0.000001 or (base = 0 and rate <> 0)
            """,
        ),
        never(
            "what_is_not_rejected_is_to_deliver",
            "The initial population less what was rejected is to deliver (spec 4.11).",
            """
            select delivery_id, target_count, rejected_count, to_deliver_count
            from {batch}
            where target_count - rejected_count <> to_deliver_count
            """,
            severity="warning",
        ),
        never(
            "exclusions_are_the_rejected",
            "Where the exclusions of a delivery are at hand, they are as many as were rejected (spec 4.11).",
            """
            select delivery_id, rows.rejected_count, exclusions.exclusion_count
            from {batch} as rows
            inner join (
                select delivery_id, sum(exclusion_count) as exclusion_count
                from changed.delivery_exclusions group by delivery_id
            ) as exclusions using (delivery_id)
            where rows.rejected_count <> exclusions.exclusion_count
            """,
            severity="warning",
        ),
    ],
)
