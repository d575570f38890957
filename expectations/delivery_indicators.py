"""Audit of delivery_indicators: figures that logs, buckets and links confirm, and ranges that cannot be.

A delivery moves the platform averages of others, so what concerns these is looked at in all rows.
"""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="delivery_indicators",
    expectations=[
        structure(
            "delivery_id",
            "recipient_open_count",
            "total_open_count",
            "estimated_recipient_open_count",
            "estimated_total_open_count",
            "recipient_click_count",
            "person_click_count",
            "total_click_count",
            "opt_out_click_count",
            "mirror_page_click_count",
            "forward_count",
            "visited_page_count",
            "transaction_count",
            "transaction_amount",
            "article_count",
            "complaint_count",
            "raw_reactivity_rate",
            "reactivity_rate",
            "distinct_click_rate",
            "cumulated_click_rate",
            "platform_reactivity_rate",
            "platform_distinct_click_rate",
            "platform_cumulated_click_rate",
        ),
        grain("delivery_id", touched=None),
        never(
            "every_delivery_has_a_row",
            "There is a row for every delivery and for nothing else.",
            """
            select delivery_id
            from audit.deliveries
            full join (select delivery_id, true as is_row from {batch}) as rows using (delivery_id)
            where deliveries.label is null or rows.is_row is null
            """,
            touched=None,
        ),
        never(
            "counts_are_possible",
            "No count is negative (forwards may be), and who clicked has opened, since a click proves an open (spec 4.1).",
            """
            select delivery_id
            from {batch}
            where
                least(
                    recipient_open_count, total_open_count, recipient_click_count, person_click_count, total_click_count,
                    opt_out_click_count, mirror_page_click_count, visited_page_count, transaction_count, article_count,
                    complaint_count
                ) < 0
                or least(estimated_recipient_open_count, estimated_total_open_count, transaction_amount) < 0
                or recipient_click_count > recipient_open_count
                or greatest(recipient_click_count, person_click_count) > total_click_count
                or transaction_count > visited_page_count
            """,
        ),
        never(
            "opens_are_in_the_buckets",
            "Opens counted from the log are the opens of the five-minute buckets.",
            """
            select rows.delivery_id, rows.total_open_count, buckets.event_count
            from {batch} as rows
            left join (
                select delivery_id, sum(event_count) as event_count
                from changed.tracking_buckets where url_id = 1 group by delivery_id
            ) as buckets on rows.delivery_id = buckets.delivery_id
            where rows.total_open_count <> coalesce(buckets.event_count, 0)
            """,
        ),
        never(
            "clicks_are_in_the_link_table",
            "Clicks counted from the log are those of the links of type 1; opt-outs, mirror pages and web pages likewise (spec 8.3).",
            """
            select rows.delivery_id, rows.total_click_count, links.click_count
            from {batch} as rows
            left join (
                select
                    delivery_id,
                    sum(click_count) filter (where url_type = 1) as click_count,
                    sum(click_count) filter (where url_type = 3) as opt_out_count,
                    sum(click_count) filter (where url_type = 6) as mirror_page_count,
                    sum(click_count) filter (where url_type in (4, 5)) as page_count
                from changed.url_clicks group by delivery_id
            ) as links on rows.delivery_id = links.delivery_id
            where
                rows.total_click_count <> coalesce(links.click_count, 0)
                or rows.opt_out_click_count <> coalesce(links.opt_out_count, 0)
                or rows.mirror_page_click_count <> coalesce(links.mirror_page_count, 0)
                or rows.visited_page_count <> coalesce(links.page_count, 0)
            """,
        ),
        never(
            "recipients_are_in_the_engagement",
            "Recipients who clicked, opens and clicks are those of the messages; message 0 is nobody, but its events count.",
            """
            select rows.delivery_id
            from {batch} as rows
            left join (
                select
                    delivery_id,
                    count(*) filter (where has_clicked) as recipient_click_count,
                    sum(open_count) as total_open_count,
                    sum(click_count) as total_click_count
                from changed.message_engagement group by delivery_id
            ) as messages on rows.delivery_id = messages.delivery_id
            left join (
                select
                    delivery_id,
                    count(*) filter (where event_type = 'open') as total_open_count,
                    count(*) filter (where event_type = 'click') as total_click_count
                from changed.tracking_events where is_counted and message_id = 0 group by delivery_id
            ) as nobody on rows.delivery_id = nobody.delivery_id
            where
                rows.recipient_click_count <> coalesce(messages.recipient_click_count, 0)
                or rows.total_open_count <> coalesce(messages.total_open_count, 0) + coalesce(nobody.total_open_count, 0)
                or rows.total_click_count <> coalesce(messages.total_click_count, 0) + coalesce(nobody.total_click_count, 0)
            """,
        ),
        never(
            "figures_are_those_of_the_click_stream",
            "Recipients, persons, amounts and articles are those of the click stream, and complaints those of the messages (spec 4.1).",
            """
            select rows.delivery_id
            from {batch} as rows
            inner join changed.deliveries as deliveries on rows.delivery_id = deliveries.delivery_id
            left join (
                select
                    delivery_id,
                    count(distinct message_id) filter (where message_id <> 0) as recipient_open_count,
                    count(distinct person_id) filter (where event_type = 'click') as person_click_count,
                    sum(transaction_amount) as transaction_amount,
                    sum(article_count) as article_count
                from changed.tracking_events where is_counted group by delivery_id
            ) as events on rows.delivery_id = events.delivery_id
            where
                rows.recipient_open_count <> coalesce(events.recipient_open_count, 0)
                or rows.person_click_count <> coalesce(events.person_click_count, 0)
                or rows.transaction_amount <> coalesce(events.transaction_amount, 0)
                or rows.article_count <> coalesce(events.article_count, 0)
                or rows.complaint_count <> deliveries.complaint_count
                or rows.forward_count <> rows.person_click_count - rows.recipient_click_count
            """,
        ),
        never(
            "rates_are_part_over_base",
            "Rates are fractions of the row's own figures, 0 where the base is 0 (spec 4.2, 4.3).",
            """
            select rows.delivery_id
            from {batch} as rows
            inner join changed.deliveries as deliveries on rows.delivery_id = deliveries.delivery_id
            cross join lateral (
                values
                (raw_reactivity_rate, recipient_click_count, recipient_open_count),
                (reactivity_rate, recipient_click_count, estimated_recipient_open_count),
                (distinct_click_rate, person_click_count, deliveries.success_count),
                (cumulated_click_rate, total_click_count, deliveries.success_count)
            ) as rates (rate, part, base)
            where abs(rate * base - case when base = 0 then 0 else part end) > 0.000001 or (base = 0 and rate <> 0)
            """,
        ),
        never(
            "platform_averages_are_possible",
            "No platform average is negative, and without a contact date it is 0 (spec 8.20).",
            """
            select rows.delivery_id
            from {batch} as rows
            inner join audit.deliveries on rows.delivery_id = deliveries.delivery_id
            where
                least(platform_reactivity_rate, platform_distinct_click_rate, platform_cumulated_click_rate) < 0
                or (
                    deliveries.contact_at is null
                    and greatest(platform_reactivity_rate, platform_distinct_click_rate, platform_cumulated_click_rate) > 0
                )
            """,
            touched=None,
        ),
        never(
            "opens_are_within_success",
            "No more recipients opened than got the message; a complaint turns a message to failed, so this may be right (spec 7.7).",
            """
            select rows.delivery_id, rows.recipient_open_count, deliveries.success_count
            from {batch} as rows
            inner join changed.deliveries as deliveries on rows.delivery_id = deliveries.delivery_id
            where rows.recipient_open_count > deliveries.success_count
            """,
            severity="warning",
        ),
    ],
)
