"""Audit of message_engagement: every message once, reactions that the click stream confirms."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="message_engagement",
    expectations=[
        structure(
            "delivery_id",
            "message_id",
            "recipient_id",
            "status",
            "failure_reason",
            "is_seed",
            "first_opened_at",
            "last_opened_at",
            "open_count",
            "first_clicked_at",
            "last_clicked_at",
            "click_count",
            "has_opened",
            "has_clicked",
            "has_opted_out",
        ),
        grain("delivery_id", "message_id"),
        never(
            "every_message_has_a_row",
            "Every message of a described delivery has a row.",
            """
            select messages.delivery_id, messages.message_id
            from changed.stg_delivery_data__messages as messages
            inner join changed.deliveries as deliveries on messages.delivery_id = deliveries.delivery_id
            where
                messages.message_id <> 0
                and not exists (
                    select from {batch} as rows
                    where rows.delivery_id = messages.delivery_id and rows.message_id = messages.message_id
                )
            """,
        ),
        never(
            "every_row_is_a_message",
            "A row is of a described delivery, and its message is known there or has reacted.",
            """
            select rows.delivery_id, rows.message_id
            from {batch} as rows
            left join changed.deliveries as deliveries on rows.delivery_id = deliveries.delivery_id
            where
                deliveries.delivery_id is null
                or (
                    rows.is_seed is null
                    and not exists (
                        select from changed.tracking_events as events
                        where events.delivery_id = rows.delivery_id and events.message_id = rows.message_id
                    )
                )
            """,
        ),
        never(
            "reactions_are_in_the_click_stream",
            "Opens and clicks of a delivery's messages are those of the click stream, message 0 left out.",
            """
            select delivery_id, rows.open_count, rows.click_count, events.open_count as stream_open_count,
                events.click_count as stream_click_count
            from (
                select delivery_id, sum(open_count) as open_count, sum(click_count) as click_count,
                    count(*) filter (where has_opted_out) as opted_out_count
                from {batch} group by delivery_id
            ) as rows
            full join (
                select
                    delivery_id,
                    count(*) filter (where event_type = 'open') as open_count,
                    count(*) filter (where event_type = 'click') as click_count,
                    count(distinct message_id) filter (where event_type = 'opt_out') as opted_out_count
                from changed.tracking_events
                where is_counted and message_id <> 0 and is_known_delivery
                group by delivery_id
            ) as events using (delivery_id)
            where
                (rows.open_count, rows.click_count, rows.opted_out_count) is distinct from
                (coalesce(events.open_count, 0), coalesce(events.click_count, 0), coalesce(events.opted_out_count, 0))
            """,
        ),
        never(
            "flags_and_times_agree",
            "Who has opened or clicked has a count, a first and a last time, and nobody else has; no count is negative.",
            """
            select delivery_id, message_id
            from {batch}
            where
                least(open_count, click_count) < 0
                or has_opened <> (open_count > 0)
                or has_opened <> (first_opened_at is not null)
                or has_opened <> (last_opened_at is not null)
                or has_clicked <> (click_count > 0)
                or has_clicked <> (first_clicked_at is not null)
                or has_clicked <> (last_clicked_at is not null)
                or first_opened_at > last_opened_at
                or first_clicked_at > last_clicked_at
            """,
        ),
        never(
            "messages_are_known",
            "The reference data knows every message that reacted; where it comes late this mends itself.",
            "select delivery_id, message_id from {batch} where is_seed is null",
            severity="warning",
        ),
    ],
)
