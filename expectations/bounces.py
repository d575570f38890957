"""Audit of bounces: reasons that add up to the errors, hard and soft bounces of their domain and delivery."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="bounces",
    expectations=[
        structure(
            "delivery_id",
            "domain",
            "failure_reason",
            "failure_label",
            "error_count",
            "domain_processed_count",
            "contribution_rate",
            "breakdown_rate",
        ),
        grain("delivery_id", "domain", "failure_reason"),
        never(
            "error_count_is_positive",
            "A row is a reason with errors.",
            "select delivery_id, domain, failure_reason, error_count from {batch} where error_count < 1",
        ),
        never(
            "labels_are_those_of_the_seed",
            "A reason shows the label that the seed failure_reasons gives it, and '' where it has none (spec 1.4).",
            """
            select delivery_id, domain, failure_reason, failure_label
            from {batch} as rows
            left join staging.failure_reasons as reasons on rows.failure_reason = reasons.code
            where rows.failure_label <> coalesce(reasons.label, '')
            """,
        ),
        never(
            "reasons_add_up_to_the_domain",
            "The reasons of a domain add up to its errors, its hard and soft bounces and its complaints (spec 4.7, 4.12).",
            """
            select delivery_id, domain, domains.error_count, reasons.error_count as reason_error_count
            from changed.domain_indicators as domains
            full join (
                select
                    rows.delivery_id,
                    rows.domain,
                    sum(rows.error_count) as error_count,
                    sum(rows.error_count) filter (where reasons.is_hard_bounce) as hard_bounce_count,
                    sum(rows.error_count) filter (where reasons.is_soft_bounce) as soft_bounce_count,
                    sum(rows.error_count) filter (where rows.failure_reason = 8) as complaint_count
                from {batch} as rows
                left join staging.failure_reasons as reasons on rows.failure_reason = reasons.code
                group by rows.delivery_id, rows.domain
            ) as reasons using (delivery_id, domain)
            where
                (domains.error_count, domains.hard_bounce_count, domains.soft_bounce_count, domains.complaint_count)
                is distinct from (
                    coalesce(reasons.error_count, 0), coalesce(reasons.hard_bounce_count, 0),
                    coalesce(reasons.soft_bounce_count, 0), coalesce(reasons.complaint_count, 0)
                )
            """,
        ),
        never(
            "reasons_add_up_to_the_delivery",
            "The reasons of a delivery add up to its errors, and their contributions to 1.",
            """
            select delivery_id, deliveries.error_count, reasons.error_count as reason_error_count, reasons.contribution_rate
            from changed.deliveries as deliveries
            left join (
                select delivery_id, sum(error_count) as error_count, sum(contribution_rate) as contribution_rate
                from {batch} group by delivery_id
            ) as reasons using (delivery_id)
            where deliveries.error_count <> coalesce(reasons.error_count, 0) or abs(reasons.contribution_rate - 1) > 0.000001
            """,
        ),
        never(
            "breakdowns_are_of_the_domain",
            "What was processed is that of the domain, and the breakdown is the errors' part of it (spec 4.12).",
            """
            select rows.delivery_id, rows.domain, rows.failure_reason, rows.domain_processed_count, domains.processed_count
            from {batch} as rows
            left join changed.domain_indicators as domains on rows.delivery_id = domains.delivery_id and rows.domain = domains.domain
            where
                rows.domain_processed_count is distinct from domains.processed_count
                or abs(rows.breakdown_rate * rows.domain_processed_count - rows.error_count) > 0.000001
            """,
        ),
        never(
            "reasons_are_known",
            "Every reason of an error is in the seed failure_reasons; others are neither hard nor soft bounces (spec 8.41).",
            """
            select delivery_id, domain, failure_reason, error_count
            from {batch}
            where failure_reason not in (select code from staging.failure_reasons)
            """,
            severity="warning",
        ),
    ],
)
