"""Audit of delivery_exclusions: one row per reason, with as many recipients as the reference data excludes."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="delivery_exclusions",
    expectations=[
        structure("delivery_id", "reason", "exclusion_count", "exclusion_share"),
        grain("delivery_id", "reason"),
        never(
            "counts_are_those_kept",
            "The rows of a described delivery are those that are kept for it, and no other delivery has any.",
            """
            select delivery_id, reason, rows.exclusion_count, kept.exclusion_count as kept_count
            from {batch} as rows
            full join (
                select delivery_id, reason, exclusion_count
                from changed.int_deliveries__exclusions
                where delivery_id in (select delivery_id from changed.stg_delivery_data__deliveries)
            ) as kept using (delivery_id, reason)
            where rows.exclusion_count is distinct from kept.exclusion_count
            """,
        ),
        never(
            "counts_are_the_exclusions",
            "Where exclusions are new, the counts of the delivery are the numbers of its exclusions by reason (spec 4.11).",
            """
            select delivery_id, reason, kept.exclusion_count, counted.exclusion_count as counted_count
            from (
                select delivery_id, reason, exclusion_count from intermediate.int_deliveries__exclusions
                where delivery_id in (select delivery_id from new.exclusions)
            ) as kept
            full join (
                select delivery_id, reason, count(*) as exclusion_count from staging.stg_delivery_data__exclusions
                where delivery_id in (select delivery_id from new.exclusions)
                group by delivery_id, reason
            ) as counted using (delivery_id, reason)
            where kept.exclusion_count is distinct from counted.exclusion_count
            """,
        ),
        never(
            "shares_add_up",
            "The shares of a delivery add up to 1, and each reason has exclusions.",
            """
            select delivery_id, sum(exclusion_share) as share_sum, min(exclusion_count) as lowest_count
            from {batch}
            group by delivery_id
            having abs(sum(exclusion_share) - 1) > 0.000001 or min(exclusion_count) < 1
            """,
        ),
        never(
            "reasons_are_known",
            "Every reason is in the seed exclusion_reasons; others have no label (spec 8.41).",
            "select delivery_id, reason, exclusion_count from {batch} where reason_label = ''",
            severity="warning",
        ),
    ],
)
