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
        grain("delivery_id", whole=True),
        never(
            "every_delivery_has_a_row",
            "There is a row for every delivery and for nothing else.",
            """
            select delivery_id
            from audit.deliveries
            full join (select delivery_id, true as is_row from {batch}) as rows using (delivery_id)
            where deliveries.label is null or rows.is_row is null
            """,
            whole=True,
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
            "Recipients who opened or clicked have got as many as there are more messages that did; message 0 is nobody.",
            """
            select delivery_id, counts.recipient_open_count, counts.recipient_click_count
            from changed.int_deliveries__counts as counts
            left join live.int_deliveries__counts as before using (delivery_id)
            left join (
                select
                    delivery_id,
                    sum(change) filter (where event_count > 0) as recipient_open_count,
                    sum(change) filter (where has_clicked) as recipient_click_count
                from changes.message_engagement group by delivery_id
            ) as messages using (delivery_id)
            where
                counts.recipient_open_count - coalesce(before.recipient_open_count, 0) <> coalesce(messages.recipient_open_count, 0)
                or counts.recipient_click_count - coalesce(before.recipient_click_count, 0) <> coalesce(messages.recipient_click_count, 0)
            """,
        ),
        never(
            "persons_are_in_the_click_stream",
            "A person has as many more clicks as the click stream has of them, and persons are those who have one (spec 4.1).",
            """
            select delivery_id, person_id, persons.click_count as more_clicks, events.click_count as more_stream_clicks
            from (
                select delivery_id, person_id, sum(change * click_count) as click_count
                from changes.int_persons__clicks group by delivery_id, person_id
            ) as persons
            full join (
                select delivery_id, person_id, sum(change) as click_count
                from changes.int_tracking_events__judged
                where is_counted and event_type = 'click' and person_id is not null
                group by delivery_id, person_id
            ) as events using (delivery_id, person_id)
            where coalesce(persons.click_count, 0) <> coalesce(events.click_count, 0)
            union all
            select delivery_id, null, counts.person_click_count, persons.person_count
            from changed.int_deliveries__counts as counts
            left join live.int_deliveries__counts as before using (delivery_id)
            left join (
                select delivery_id, sum(is_there::integer - was_there::integer) as person_count
                from (
                    select
                        delivery_id,
                        exists (
                            select from intermediate.int_persons__clicks as rows
                            where rows.delivery_id = persons.delivery_id and rows.person_id = persons.person_id
                        ) as is_there,
                        exists (
                            select from live.int_persons__clicks as rows
                            where rows.delivery_id = persons.delivery_id and rows.person_id = persons.person_id
                        ) as was_there
                    from (select distinct delivery_id, person_id from changes.int_persons__clicks) as persons
                ) as persons
                group by delivery_id
            ) as persons using (delivery_id)
            where counts.person_click_count - coalesce(before.person_click_count, 0) <> coalesce(persons.person_count, 0)
            """,
        ),
        never(
            "counts_are_those_of_the_click_stream",
            "Opens, clicks, pages, amounts and articles have grown by those of the click stream (spec 4.1).",
            """
            select delivery_id
            from changed.int_deliveries__counts as counts
            left join live.int_deliveries__counts as before using (delivery_id)
            left join (
                select
                    delivery_id,
                    sum(change) filter (where event_type = 'open') as open_count,
                    sum(change) filter (where event_type = 'click') as click_count,
                    sum(change) filter (where event_type = 'opt_out') as opt_out_count,
                    sum(change) filter (where event_type = 'mirror_page') as mirror_page_count,
                    sum(change) filter (where event_type in ('web', 'transaction')) as page_count,
                    sum(change) filter (where event_type = 'transaction') as transaction_count,
                    sum(change * logged_amount) filter (where event_type = 'transaction') as amount,
                    sum(change * logged_article) filter (where event_type = 'transaction') as article_count
                from changes.int_tracking_events__judged
                where is_counted group by delivery_id
            ) as events using (delivery_id)
            where
                counts.total_open_count - coalesce(before.total_open_count, 0) <> coalesce(events.open_count, 0)
                or counts.total_click_count - coalesce(before.total_click_count, 0) <> coalesce(events.click_count, 0)
                or counts.opt_out_click_count - coalesce(before.opt_out_click_count, 0) <> coalesce(events.opt_out_count, 0)
                or counts.mirror_page_click_count - coalesce(before.mirror_page_click_count, 0) <> coalesce(events.mirror_page_count, 0)
                or counts.visited_page_count - coalesce(before.visited_page_count, 0) <> coalesce(events.page_count, 0)
                or counts.transaction_count - coalesce(before.transaction_count, 0) <> coalesce(events.transaction_count, 0)
                or counts.transaction_amount - coalesce(before.transaction_amount, 0) <> coalesce(events.amount, 0)
                or counts.article_count - coalesce(before.article_count, 0) <> coalesce(events.article_count, 0)
            """,
        ),
        never(
            "figures_are_those_of_the_counts",
            "The figures of a described delivery are those that are kept for it, and forwards are persons less recipients (spec 4.1).",
            """
            select rows.delivery_id
            from {batch} as rows
            left join changed.int_deliveries__counts as counts on rows.delivery_id = counts.delivery_id
            where
                (
                    rows.recipient_open_count, rows.total_open_count, rows.recipient_click_count, rows.person_click_count,
                    rows.total_click_count, rows.opt_out_click_count, rows.mirror_page_click_count, rows.visited_page_count,
                    rows.transaction_count, rows.transaction_amount, rows.article_count, rows.complaint_count
                ) is distinct from (
                    coalesce(counts.recipient_open_count, 0), coalesce(counts.total_open_count, 0),
                    coalesce(counts.recipient_click_count, 0), coalesce(counts.person_click_count, 0),
                    coalesce(counts.total_click_count, 0), coalesce(counts.opt_out_click_count, 0),
                    coalesce(counts.mirror_page_click_count, 0), coalesce(counts.visited_page_count, 0),
                    coalesce(counts.transaction_count, 0), coalesce(counts.transaction_amount, 0),
                    coalesce(counts.article_count, 0), coalesce(counts.complaint_count, 0)
                )
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
            whole=True,
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
