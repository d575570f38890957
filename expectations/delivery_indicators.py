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
            "human_recipient_open_count",
            "human_total_open_count",
            "human_estimated_recipient_open_count",
            "human_estimated_total_open_count",
            "human_recipient_click_count",
            "human_person_click_count",
            "human_total_click_count",
            "human_opt_out_click_count",
            "human_mirror_page_click_count",
            "human_forward_count",
            "human_visited_page_count",
            "human_transaction_count",
            "human_transaction_amount",
            "human_article_count",
            "human_raw_reactivity_rate",
            "human_reactivity_rate",
            "human_distinct_click_rate",
            "human_cumulated_click_rate",
            "human_platform_reactivity_rate",
            "human_platform_distinct_click_rate",
            "human_platform_cumulated_click_rate",
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
                complaint_count < 0
                or <<or least(
                    {human}recipient_open_count, {human}total_open_count, {human}recipient_click_count,
                    {human}person_click_count, {human}total_click_count, {human}opt_out_click_count,
                    {human}mirror_page_click_count, {human}visited_page_count, {human}transaction_count, {human}article_count
                ) < 0
                or least(
                    {human}estimated_recipient_open_count, {human}estimated_total_open_count, {human}transaction_amount
                ) < 0
                or {human}recipient_click_count > {human}recipient_open_count
                or greatest({human}recipient_click_count, {human}person_click_count) > {human}total_click_count
                or {human}transaction_count > {human}visited_page_count >>
            """,
        ),
        never(
            "people_are_part_of_everybody",
            "People's figures are no greater than everybody's (design 5).",
            """
            select delivery_id
            from {batch}
            where
                human_recipient_open_count > recipient_open_count
                or human_total_open_count > total_open_count
                or human_recipient_click_count > recipient_click_count
                or human_person_click_count > person_click_count
                or human_total_click_count > total_click_count
                or human_opt_out_click_count > opt_out_click_count
                or human_mirror_page_click_count > mirror_page_click_count
                or human_visited_page_count > visited_page_count
                or human_transaction_count > transaction_count
                or human_transaction_amount > transaction_amount
                or human_article_count > article_count
            """,
        ),
        never(
            "opens_are_in_the_buckets",
            "Opens counted from the log are the opens of the five-minute buckets.",
            """
            select rows.delivery_id, rows.total_open_count, buckets.event_count
            from {batch} as rows
            left join (
                select delivery_id, sum(event_count) as event_count, sum(human_event_count) as human_event_count
                from changed.tracking_buckets where url_id = 1 group by delivery_id
            ) as buckets on rows.delivery_id = buckets.delivery_id
            where <<or rows.{human}total_open_count <> coalesce(buckets.{human}event_count, 0) >>
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
                    <<, sum({human}click_count) filter (where url_type = 1) as {human}click_count,
                    sum({human}click_count) filter (where url_type = 3) as {human}opt_out_count,
                    sum({human}click_count) filter (where url_type = 6) as {human}mirror_page_count,
                    sum({human}click_count) filter (where url_type in (4, 5)) as {human}page_count >>
                from changed.url_clicks group by delivery_id
            ) as links on rows.delivery_id = links.delivery_id
            where
                <<or rows.{human}total_click_count <> coalesce(links.{human}click_count, 0)
                or rows.{human}opt_out_click_count <> coalesce(links.{human}opt_out_count, 0)
                or rows.{human}mirror_page_click_count <> coalesce(links.{human}mirror_page_count, 0)
                or rows.{human}visited_page_count <> coalesce(links.{human}page_count, 0) >>
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
                    <<, sum(change) filter (where {human}event_count > 0) as {human}recipient_open_count,
                    sum(change) filter (where {human}has_clicked) as {human}recipient_click_count >>
                from changes.message_engagement group by delivery_id
            ) as messages using (delivery_id)
            where
                <<or counts.{human}recipient_open_count - coalesce(before.{human}recipient_open_count, 0)
                <> coalesce(messages.{human}recipient_open_count, 0)
                or counts.{human}recipient_click_count - coalesce(before.{human}recipient_click_count, 0)
                <> coalesce(messages.{human}recipient_click_count, 0) >>
            """,
        ),
        never(
            "persons_are_in_the_click_stream",
            "A person has as many more clicks as the click stream has of them, and persons are those who have one (spec 4.1).",
            """
            select delivery_id, person_id, persons.click_count as more_clicks, events.click_count as more_stream_clicks
            from (
                select delivery_id, person_id, <<, sum(change * {human}click_count) as {human}click_count >>
                from changes.int_persons__clicks group by delivery_id, person_id
            ) as persons
            full join (
                select delivery_id, person_id, <<, sum(change) filter (where {human}is_counted) as {human}click_count >>
                from changes.int_tracking_events__judged
                where event_type = 'click' and person_id is not null
                group by delivery_id, person_id
            ) as events using (delivery_id, person_id)
            where <<or coalesce(persons.{human}click_count, 0) <> coalesce(events.{human}click_count, 0) >>
            union all
            select delivery_id, null, counts.person_click_count, persons.person_count
            from changed.int_deliveries__counts as counts
            left join live.int_deliveries__counts as before using (delivery_id)
            left join (
                select delivery_id, <<, sum({human}is_there::integer - {human}was_there::integer) as {human}person_count >>
                from (
                    select
                        delivery_id,
                        <<, exists (
                            select from intermediate.int_persons__clicks as rows
                            where
                                rows.delivery_id = persons.delivery_id and rows.person_id = persons.person_id
                                and rows.{human}click_count > 0
                        ) as {human}is_there,
                        exists (
                            select from live.int_persons__clicks as rows
                            where
                                rows.delivery_id = persons.delivery_id and rows.person_id = persons.person_id
                                and rows.{human}click_count > 0
                        ) as {human}was_there >>
                    from (select distinct delivery_id, person_id from changes.int_persons__clicks) as persons
                ) as persons
                group by delivery_id
            ) as persons using (delivery_id)
            where <<or counts.{human}person_click_count - coalesce(before.{human}person_click_count, 0)
                <> coalesce(persons.{human}person_count, 0) >>
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
                    <<, sum(change) filter (where {human}is_counted and event_type = 'open') as {human}open_count,
                    sum(change) filter (where {human}is_counted and event_type = 'click') as {human}click_count,
                    sum(change) filter (where {human}is_counted and event_type = 'opt_out') as {human}opt_out_count,
                    sum(change) filter (where {human}is_counted and event_type = 'mirror_page') as {human}mirror_page_count,
                    sum(change) filter (where {human}is_counted and event_type in ('web', 'transaction')) as {human}page_count,
                    sum(change) filter (where {human}is_counted and event_type = 'transaction') as {human}transaction_count,
                    sum(change * logged_amount) filter (where {human}is_counted and event_type = 'transaction') as {human}amount,
                    sum(change * logged_article) filter (where {human}is_counted and event_type = 'transaction') as {human}article_count >>
                from changes.int_tracking_events__judged
                group by delivery_id
            ) as events using (delivery_id)
            where
                <<or counts.{human}total_open_count - coalesce(before.{human}total_open_count, 0) <> coalesce(events.{human}open_count, 0)
                or counts.{human}total_click_count - coalesce(before.{human}total_click_count, 0) <> coalesce(events.{human}click_count, 0)
                or counts.{human}opt_out_click_count - coalesce(before.{human}opt_out_click_count, 0) <> coalesce(events.{human}opt_out_count, 0)
                or counts.{human}mirror_page_click_count - coalesce(before.{human}mirror_page_click_count, 0) <> coalesce(events.{human}mirror_page_count, 0)
                or counts.{human}visited_page_count - coalesce(before.{human}visited_page_count, 0) <> coalesce(events.{human}page_count, 0)
                or counts.{human}transaction_count - coalesce(before.{human}transaction_count, 0) <> coalesce(events.{human}transaction_count, 0)
                or counts.{human}transaction_amount - coalesce(before.{human}transaction_amount, 0) <> coalesce(events.{human}amount, 0)
                or counts.{human}article_count - coalesce(before.{human}article_count, 0) <> coalesce(events.{human}article_count, 0) >>
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
                rows.complaint_count is distinct from coalesce(counts.complaint_count, 0)
                or <<or (
                    rows.{human}recipient_open_count, rows.{human}total_open_count,
                    rows.{human}recipient_click_count, rows.{human}person_click_count,
                    rows.{human}total_click_count, rows.{human}opt_out_click_count,
                    rows.{human}mirror_page_click_count, rows.{human}visited_page_count,
                    rows.{human}transaction_count, rows.{human}transaction_amount, rows.{human}article_count
                ) is distinct from (
                    coalesce(counts.{human}recipient_open_count, 0), coalesce(counts.{human}total_open_count, 0),
                    coalesce(counts.{human}recipient_click_count, 0),
                    coalesce(counts.{human}person_click_count, 0), coalesce(counts.{human}total_click_count, 0),
                    coalesce(counts.{human}opt_out_click_count, 0),
                    coalesce(counts.{human}mirror_page_click_count, 0),
                    coalesce(counts.{human}visited_page_count, 0), coalesce(counts.{human}transaction_count, 0),
                    coalesce(counts.{human}transaction_amount, 0), coalesce(counts.{human}article_count, 0)
                )
                or rows.{human}forward_count <> rows.{human}person_click_count - rows.{human}recipient_click_count >>
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
                <<, ({human}raw_reactivity_rate, {human}recipient_click_count, {human}recipient_open_count),
                ({human}reactivity_rate, {human}recipient_click_count, {human}estimated_recipient_open_count),
                ({human}distinct_click_rate, {human}person_click_count, deliveries.success_count),
                ({human}cumulated_click_rate, {human}total_click_count, deliveries.success_count) >>
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
                <<or least({human}platform_reactivity_rate, {human}platform_distinct_click_rate, {human}platform_cumulated_click_rate)
                < 0
                or (
                    deliveries.contact_at is null
                    and greatest(
                        {human}platform_reactivity_rate, {human}platform_distinct_click_rate, {human}platform_cumulated_click_rate
                    ) > 0
                ) >>
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
