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
            "event_count",
            "domain",
            "human_open_count",
            "human_click_count",
            "human_event_count",
            "human_has_opened",
            "human_has_clicked",
            "human_has_opted_out",
            "human_first_opened_at",
            "human_last_opened_at",
            "human_first_clicked_at",
            "human_last_clicked_at",
        ),
        grain("delivery_id", "message_id"),
        never(
            "every_message_has_a_row",
            "Every message of a described delivery has a row, with its recipient, domain, status and reason.",
            """
            select messages.delivery_id, messages.message_id
            from changed.stg_delivery_data__messages as messages
            inner join changed.deliveries as deliveries on messages.delivery_id = deliveries.delivery_id
            left join staging.domains on lower(messages.address_domain) = lower(domains.alias)
            left join {batch} as rows on messages.delivery_id = rows.delivery_id and messages.message_id = rows.message_id
            where
                messages.message_id <> 0
                and (
                    rows.message_id is null
                    or (
                        coalesce(messages.recipient_id, 0), messages.status, messages.failure_reason, messages.is_seed,
                        coalesce(domains.domain, 'Others')
                    )
                    is distinct from (rows.recipient_id, rows.status, rows.failure_reason, rows.is_seed, rows.domain)
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
            "Opens, clicks and other events of a message are those of the click stream.",
            """
            select delivery_id, message_id, rows.open_count, rows.click_count, events.open_count as stream_open_count,
                events.click_count as stream_click_count
            from {batch} as rows
            full join (
                select
                    delivery_id,
                    message_id,
                    <<, count(*) filter (where {human}is_counted) as {human}event_count,
                    count(*) filter (where {human}is_counted and event_type = 'open') as {human}open_count,
                    count(*) filter (where {human}is_counted and event_type = 'click') as {human}click_count,
                    count(*) filter (where {human}is_counted and event_type = 'opt_out') > 0 as {human}has_opted_out >>
                from changed.tracking_events
                where message_id <> 0 and is_known_delivery
                group by delivery_id, message_id
            ) as events using (delivery_id, message_id)
            where
                <<or (rows.{human}event_count, rows.{human}open_count, rows.{human}click_count, rows.{human}has_opted_out)
                is distinct from (
                    coalesce(events.{human}event_count, 0), coalesce(events.{human}open_count, 0),
                    coalesce(events.{human}click_count, 0), coalesce(events.{human}has_opted_out, false)
                ) >>
            """,
        ),
        never(
            "flags_and_times_agree",
            "Who has opened or clicked has a count, a first and a last time, and nobody else has; no count is negative.",
            """
            select delivery_id, message_id
            from {batch}
            where
                <<or least({human}open_count, {human}click_count) < 0
                or {human}has_opened <> ({human}open_count > 0)
                or {human}has_opened <> ({human}first_opened_at is not null)
                or {human}has_opened <> ({human}last_opened_at is not null)
                or {human}has_clicked <> ({human}click_count > 0)
                or {human}has_clicked <> ({human}first_clicked_at is not null)
                or {human}has_clicked <> ({human}last_clicked_at is not null)
                or {human}first_opened_at > {human}last_opened_at
                or {human}first_clicked_at > {human}last_clicked_at >>
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
