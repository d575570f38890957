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
            from (select delivery_id from staging.stg_delivery_data__deliveries) as described
            full join (select delivery_id, true as is_row from {batch}) as rows using (delivery_id)
            where described.delivery_id is null or rows.is_row is null
            """,
        ),
        never(
            "processed_are_the_delivery_s_messages",
            "Processed is success, error and prepared together, and no more than the messages that are no seeds (spec 4.1).",
            """
            select rows.delivery_id, rows.processed_count, rows.success_count, rows.error_count, messages.message_count
            from {batch} as rows
            left join (
                select delivery_id, count(*) as message_count
                from staging.stg_delivery_data__messages where not is_seed group by delivery_id
            ) as messages on rows.delivery_id = messages.delivery_id
            where
                rows.processed_count < rows.success_count + rows.error_count
                or rows.processed_count > coalesce(messages.message_count, 0)
            """,
        ),
        never(
            "last_event_is_in_the_click_stream",
            "The last event is the newest of the delivery's click stream.",
            """
            select rows.delivery_id, rows.last_event_at, events.last_event_at as stream_last_event_at
            from {batch} as rows
            left join (
                select delivery_id, max(occurred_at) as last_event_at
                from audit.tracking_events where is_counted group by delivery_id
            ) as events on rows.delivery_id = events.delivery_id
            where rows.last_event_at is distinct from events.last_event_at
            """,
        ),
        never(
            "statuses_are_known",
            "Every status code of a message is in the seed message_statuses; others count nowhere (spec 8.41).",
            """
            select delivery_id, status, count(*) as message_count
            from staging.stg_delivery_data__messages
            where not exists (select from staging.message_statuses where code = status)
            and delivery_id in (select delivery_id from {batch})
            group by delivery_id, status
            """,
            severity="warning",
        ),
    ],
)
