"""Audit of domain_indicators: domains that add up to their delivery, counts that messages, clicks and persons confirm."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="domain_indicators",
    expectations=[
        structure(
            "delivery_id",
            "domain",
            "processed_count",
            "success_count",
            "error_count",
            "hard_bounce_count",
            "soft_bounce_count",
            "complaint_count",
            "recipient_open_count",
            "recipient_click_count",
            "person_click_count",
            "opt_out_click_count",
            "delivered_rate",
            "hard_bounce_rate",
            "soft_bounce_rate",
            "complaint_rate",
            "open_rate",
            "click_rate",
            "person_click_rate",
            "opt_out_rate",
            "raw_reactivity_rate",
            "human_recipient_open_count",
            "human_recipient_click_count",
            "human_person_click_count",
            "human_opt_out_click_count",
            "human_open_rate",
            "human_click_rate",
            "human_person_click_rate",
            "human_opt_out_rate",
            "human_raw_reactivity_rate",
        ),
        grain("delivery_id", "domain"),
        never(
            "domains_are_in_the_seed",
            "A domain is one of the seed domains or Others (spec 4.2).",
            """
            select delivery_id, domain
            from {batch}
            where domain <> 'Others' and domain not in (select domain from staging.domains)
            """,
        ),
        never(
            "counts_are_possible",
            "No count is negative, bounces and complaints are errors, and who clicked has opened (spec 4.1).",
            """
            select delivery_id, domain
            from {batch}
            where
                least(
                    success_count, hard_bounce_count, soft_bounce_count, complaint_count,
                    <<, {human}recipient_click_count, {human}person_click_count, {human}opt_out_click_count >>
                ) < 0
                or processed_count < success_count + error_count
                or hard_bounce_count + soft_bounce_count + complaint_count > error_count
                or <<or {human}recipient_click_count > {human}recipient_open_count >>
            """,
        ),
        never(
            "domains_add_up_to_the_delivery",
            "The domains of a delivery add up to its messages and recipients; its persons are at most those of all domains, "
            "and at least those of each.",
            """
            select deliveries.delivery_id
            from changed.deliveries as deliveries
            inner join changed.delivery_indicators as indicators on deliveries.delivery_id = indicators.delivery_id
            left join (
                select
                    delivery_id,
                    sum(processed_count) as processed_count,
                    sum(success_count) as success_count,
                    sum(error_count) as error_count,
                    sum(complaint_count) as complaint_count,
                    <<, sum({human}recipient_open_count) as {human}recipient_open_count,
                    sum({human}recipient_click_count) as {human}recipient_click_count,
                    sum({human}opt_out_click_count) as {human}opt_out_click_count,
                    sum({human}person_click_count) as {human}person_click_count,
                    max({human}person_click_count) as {human}most_person_click_count >>
                from {batch} group by delivery_id
            ) as domains on deliveries.delivery_id = domains.delivery_id
            where
                (
                    deliveries.processed_count, deliveries.success_count, deliveries.error_count, deliveries.complaint_count
                ) is distinct from (
                    coalesce(domains.processed_count, 0), coalesce(domains.success_count, 0), coalesce(domains.error_count, 0),
                    coalesce(domains.complaint_count, 0)
                )
                or <<or (
                    indicators.{human}recipient_open_count, indicators.{human}recipient_click_count,
                    indicators.{human}opt_out_click_count
                ) is distinct from (
                    coalesce(domains.{human}recipient_open_count, 0), coalesce(domains.{human}recipient_click_count, 0),
                    coalesce(domains.{human}opt_out_click_count, 0)
                )
                or indicators.{human}person_click_count not between
                coalesce(domains.{human}most_person_click_count, 0) and coalesce(domains.{human}person_click_count, 0) >>
            """,
        ),
        never(
            "figures_are_those_of_the_counts",
            "Every domain that is counted of a described delivery has a row, and its figures are those counts.",
            """
            select delivery_id, domain
            from (
                select counts.*
                from changed.int_domains__counts as counts
                inner join changed.deliveries as deliveries on counts.delivery_id = deliveries.delivery_id
            ) as counts
            full join {batch} as rows using (delivery_id, domain)
            where
                (
                    rows.processed_count, rows.success_count, rows.error_count, rows.hard_bounce_count, rows.soft_bounce_count,
                    rows.complaint_count,
                    <<, rows.{human}recipient_open_count, rows.{human}recipient_click_count, rows.{human}person_click_count,
                    rows.{human}opt_out_click_count >>
                ) is distinct from (
                    counts.success_count + counts.error_count + counts.prepared_count, counts.success_count, counts.error_count,
                    counts.hard_bounce_count, counts.soft_bounce_count, counts.complaint_count,
                    <<, counts.{human}recipient_open_count, counts.{human}recipient_click_count,
                    counts.{human}person_click_count, counts.{human}opt_out_click_count >>
                )
            """,
        ),
        never(
            "counts_are_those_of_the_messages",
            "Messages, bounces and recipients of a domain have got as many as there are more messages of it that are such (spec 4.7).",
            """
            select delivery_id, domain
            from (
                select
                    delivery_id,
                    domain,
                    sum(change) as message_count,
                    sum(change) filter (where not is_seed and is_success) as success_count,
                    sum(change) filter (where not is_seed and is_error) as error_count,
                    sum(change) filter (where not is_seed and is_error and failure_reason = 1) as hard_bounce_count,
                    sum(change) filter (where not is_seed and is_error and failure_reason in (2, 3, 4, 5, 6, 20)) as soft_bounce_count,
                    <<, sum(change) filter (where {human}event_count > 0) as {human}recipient_open_count,
                    sum(change) filter (where {human}has_clicked) as {human}recipient_click_count >>
                from changes.message_engagement
                left join staging.message_statuses on status = code
                group by delivery_id, domain
            ) as messages
            full join changed.int_domains__counts as counts using (delivery_id, domain)
            left join live.int_domains__counts as before using (delivery_id, domain)
            where
                (
                    coalesce(counts.message_count, 0) - coalesce(before.message_count, 0),
                    coalesce(counts.success_count, 0) - coalesce(before.success_count, 0),
                    coalesce(counts.error_count, 0) - coalesce(before.error_count, 0),
                    coalesce(counts.hard_bounce_count, 0) - coalesce(before.hard_bounce_count, 0),
                    coalesce(counts.soft_bounce_count, 0) - coalesce(before.soft_bounce_count, 0),
                    <<, coalesce(counts.{human}recipient_open_count, 0) - coalesce(before.{human}recipient_open_count, 0),
                    coalesce(counts.{human}recipient_click_count, 0) - coalesce(before.{human}recipient_click_count, 0) >>
                ) is distinct from (
                    coalesce(messages.message_count, 0), coalesce(messages.success_count, 0), coalesce(messages.error_count, 0),
                    coalesce(messages.hard_bounce_count, 0), coalesce(messages.soft_bounce_count, 0),
                    <<, coalesce(messages.{human}recipient_open_count, 0),
                    coalesce(messages.{human}recipient_click_count, 0) >>
                )
            """,
        ),
        never(
            "persons_are_those_who_clicked_there",
            "Persons of a domain have got as many as there are more who have clicks in messages of it (spec 4.1).",
            """
            select delivery_id, domain, counts.person_click_count, persons.person_count as more_person_count
            from changed.int_domains__counts as counts
            left join live.int_domains__counts as before using (delivery_id, domain)
            left join (
                select delivery_id, domain, <<, sum(change) filter (where {human}click_count > 0) as {human}person_count >>
                from changes.int_persons__clicks group by delivery_id, domain
            ) as persons using (delivery_id, domain)
            where <<or counts.{human}person_click_count - coalesce(before.{human}person_click_count, 0)
                <> coalesce(persons.{human}person_count, 0) >>
            """,
        ),
        never(
            "clicks_are_in_the_domain_of_their_message",
            "Clicks of persons and on opt-out links are in the domain of their message, and where it is not known in Others "
            "(design 4.3).",
            """
            with messages as (
                select 1 as change, delivery_id, message_id, domain from changed.message_engagement
                union all
                select -1, delivery_id, message_id, domain from live.message_engagement
                where (delivery_id, message_id) in (select delivery_id, message_id from intermediate.int_messages__touched)
            ),
            events as (
                select 1 as change, delivery_id, message_id, person_id, event_type, <<, {human}is_counted >>
                from changed.int_tracking_events__judged
                where message_id <> 0
                union all
                select -1, delivery_id, message_id, person_id, event_type, <<, {human}is_counted >>
                from live.int_tracking_events__judged
                where
                    message_id <> 0
                    and (delivery_id, message_id) in (select delivery_id, message_id from intermediate.int_messages__touched)
                union all
                select change, delivery_id, message_id, person_id, event_type, <<, {human}is_counted >>
                from changes.int_tracking_events__judged
                where message_id = 0
            ),
            more as (
                select
                    delivery_id,
                    coalesce(domain, 'Others') as domain,
                    <<, sum(change) filter (where {human}is_counted and event_type = 'opt_out') as {human}opt_out_count,
                    sum(change) filter (where {human}is_counted and event_type = 'click' and person_id is not null)
                    as {human}person_clicks >>
                from events
                left join messages using (change, delivery_id, message_id)
                where event_type in ('click', 'opt_out')
                group by delivery_id, coalesce(domain, 'Others')
            )
            select delivery_id, domain, opt_out_count, person_clicks
            from more
            full join (
                select delivery_id, domain, <<, sum(change * {human}click_count) as {human}more_person_clicks >>
                from changes.int_persons__clicks group by delivery_id, domain
            ) as persons using (delivery_id, domain)
            left join changed.int_domains__counts as counts using (delivery_id, domain)
            left join live.int_domains__counts as before using (delivery_id, domain)
            where
                <<or coalesce(counts.{human}opt_out_click_count, 0) - coalesce(before.{human}opt_out_click_count, 0)
                <> coalesce({human}opt_out_count, 0)
                or coalesce({human}more_person_clicks, 0) <> coalesce({human}person_clicks, 0) >>
            """,
        ),
        never(
            "rates_are_part_over_base",
            "Rates are fractions of the row's own figures, 0 where the base is 0 (spec 4.2, 4.7).",
            """
            select delivery_id, domain
            from {batch}
            cross join lateral (
                values
                (delivered_rate, success_count, processed_count),
                (hard_bounce_rate, hard_bounce_count, processed_count),
                (soft_bounce_rate, soft_bounce_count, processed_count),
                (complaint_rate, complaint_count, success_count),
                <<, ({human}open_rate, {human}recipient_open_count, success_count),
                ({human}click_rate, {human}recipient_click_count, success_count),
                ({human}person_click_rate, {human}person_click_count, success_count),
                ({human}opt_out_rate, {human}opt_out_click_count, success_count),
                ({human}raw_reactivity_rate, {human}recipient_click_count, {human}recipient_open_count) >>
            ) as rates (rate, part, base)
            where abs(rate * base - case when base = 0 then 0 else part end) > 0.000001 or (base = 0 and rate <> 0)
            """,
        ),
    ],
)
