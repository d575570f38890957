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
            "Success and error are the messages that are no seeds with such a status, and processed is both and the prepared (spec 4.1).",
            """
            select
                rows.delivery_id, rows.processed_count, rows.success_count, rows.error_count,
                messages.success_count as success_message_count, messages.error_count as error_message_count,
                messages.prepared_count as prepared_message_count
            from {batch} as rows
            left join (
                select
                    delivery_id,
                    count(*) filter (where is_success) as success_count,
                    count(*) filter (where is_error) as error_count,
                    count(*) filter (where is_prepared) as prepared_count
                from changed.stg_delivery_data__messages
                inner join staging.message_statuses on status = code
                where not is_seed
                group by delivery_id
            ) as messages on rows.delivery_id = messages.delivery_id
            where
                rows.success_count <> coalesce(messages.success_count, 0)
                or rows.error_count <> coalesce(messages.error_count, 0)
                or rows.processed_count <> rows.success_count + rows.error_count + coalesce(messages.prepared_count, 0)
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
            select rows.delivery_id, rows.last_event_at, events.last_event_at as stream_last_event_at
            from {batch} as rows
            left join (
                select delivery_id, max(occurred_at) as last_event_at
                from changed.tracking_events where is_counted group by delivery_id
            ) as events on rows.delivery_id = events.delivery_id
            where rows.last_event_at is distinct from events.last_event_at
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
