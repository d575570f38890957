"""Audit of deliveries: one row per described delivery, with counts that its messages confirm."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="deliveries",
    expectations=[
        structure(
            "delivery_id",
            "label",
            "internal_name",
            "channel",
            "state",
            "is_proof",
            "is_model",
            "typology_id",
            "campaign_id",
            "contact_at",
            "validity_at",
            "sent_at",
            "target_count",
            "to_deliver_count",
            "processed_count",
            "success_count",
            "error_count",
            "last_event_at",
        ),
        grain("delivery_id"),
        never(
            "described_deliveries_have_a_row",
            "There is a row for every delivery of the reference data and for nothing else.",
            """
            select delivery_id
            from (select delivery_id from changed.stg_delivery_data__deliveries) as described
            full join (select delivery_id, true as is_row from {batch}) as rows using (delivery_id)
            where described.delivery_id is null or rows.is_row is null
            """,
        ),
        never(
            "processed_are_the_delivery_s_messages",
            "Success, error and complaints have got as many as there are more messages of such a status that are no seeds (spec 4.1).",
            """
            select delivery_id, rows.processed_count, rows.success_count, rows.error_count, rows.complaint_count,
                messages.success_count as more_success_count, messages.error_count as more_error_count,
                messages.prepared_count as more_prepared_count, messages.complaint_count as more_complaint_count
            from {batch} as rows
            left join live.deliveries as before using (delivery_id)
            left join (
                select
                    delivery_id,
                    sum(change) filter (where is_success) as success_count,
                    sum(change) filter (where is_error) as error_count,
                    sum(change) filter (where is_prepared) as prepared_count,
                    sum(change) filter (where is_error and failure_reason = 8) as complaint_count
                from changes.message_engagement
                inner join staging.message_statuses on status = code
                where not is_seed
                group by delivery_id
            ) as messages using (delivery_id)
            where
                (
                    rows.success_count - coalesce(before.success_count, 0),
                    rows.error_count - coalesce(before.error_count, 0),
                    rows.complaint_count - coalesce(before.complaint_count, 0),
                    rows.processed_count - coalesce(before.processed_count, 0)
                ) is distinct from (
                    coalesce(messages.success_count, 0),
                    coalesce(messages.error_count, 0),
                    coalesce(messages.complaint_count, 0),
                    coalesce(messages.success_count, 0) + coalesce(messages.error_count, 0) + coalesce(messages.prepared_count, 0)
                )
            """,
        ),
        never(
            "counts_are_possible",
            "No count of the reference data is negative; any may be missing.",
            """
            select delivery_id, target_count, to_deliver_count, text_count
            from {batch}
            where least(target_count, to_deliver_count, text_count) < 0
            """,
        ),
        never(
            "last_event_is_in_the_click_stream",
            "The last event is the newest of the delivery's click stream.",
            """
            select delivery_id, last_event_at
            from {batch} as rows
            where
                exists (
                    select from audit.tracking_events as events
                    where
                        events.delivery_id = rows.delivery_id and events.is_counted
                        and events.occurred_at > coalesce(rows.last_event_at, '-infinity')
                )
                or (
                    last_event_at is not null
                    and not exists (
                        select from audit.tracking_events as events
                        where
                            events.delivery_id = rows.delivery_id and events.is_counted
                            and events.occurred_at = rows.last_event_at
                    )
                )
            """,
        ),
        never(
            "statuses_are_known",
            "Every status code of a message is in the seed message_statuses; others count nowhere (spec 8.41).",
            """
            select delivery_id, status, count(*) as message_count
            from changed.stg_delivery_data__messages
            where not exists (select from staging.message_statuses where code = status)
            and delivery_id in (select delivery_id from {batch})
            group by delivery_id, status
            """,
            severity="warning",
        ),
    ],
)
