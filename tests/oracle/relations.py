"""The published relations of design §4.3 as DuckDB SQL over what was read."""

import duckdb
from tests.oracle.actors import Observed
from tests.oracle.comparing import RELATIONS
from tests.oracle.rules import Rules


def linking(rules: Rules) -> list[str]:
    """Return the statements that make `linked` of the schema `inputs`: every event beside its message and URL.

    `inputs` holds `events` (columns of `reactions.SCHEMA`), the tables of `exports.TABLES` (`deliveries` also with
    `window_start_at`, where its platform average begins) and the frames of `bodies.read_bodies`. Instants are
    `timestamp` in UTC, shares and rates `double`, `transaction_amount` is exact decimal text.
    """
    return [*_macros(rules), _linked(rules)]


def observed_events(database: duckdb.DuckDBPyConnection, rules: Rules) -> list[Observed]:
    """Return the rows of `linked` that may be shown in the order of their places, with what is judged of them."""
    rows = database.execute(
        f"select {', '.join(Observed._fields)} from linked where {rules.observed} order by place"
    ).fetchall()
    return [Observed(*row) for row in rows]


def counting(rules: Rules) -> list[str]:
    """Return the statements that make one table per relation of `linked` and `inputs.judgements`.

    All that is counted is counted twice, in a schema per audience, and then shown side by side.
    """
    return [
        "create table reactions as from linked join inputs.judgements using (event_id) where not is_withdrawn",
        f"create view stream as from reactions where {rules.stream}",
        _tracking_events(),
        "create table recipients as from inputs.recipients select * exclude (modified_at)",
        *_counted_once("everybody", rules.everybody, rules),
        *_counted_once("people", rules.people, rules),
        "set search_path = 'main'",
        *(_side_by_side(relation) for relation in RELATIONS if relation not in ("tracking_events", "recipients")),
    ]


def _counted_once(audience: str, counted: str, rules: Rules) -> list[str]:
    return [
        f"create schema {audience}",
        f"set search_path = '{audience},main'",
        f"create view kept as from reactions where {counted}",
        _tracking_buckets(),
        _deliveries(rules),
        _addressed(rules),
        _message_engagement(rules),
        _measures(rules),
        _delivery_indicators(rules),
        _links(rules),
        _url_clicks(rules),
        _clicks_by_name("url_label_clicks", "label", rules.merged_label, "true", rules),
        _clicks_by_name("url_category_clicks", "category", "category", rules.listed_category, rules),
        _url_clicks_by_day(),
        _tracking_statistics(rules),
        _user_activity(rules),
        _sharing_activity(rules),
        _open_breakdown(rules),
        _visits(rules),
        _visitor_statistics("browser", rules),
        _visitor_statistics("operating_system", rules),
        _hot_clicks(rules),
        _delivery_summary(rules),
        _delivery_exclusions(rules),
        _domain_indicators(rules),
        _bounces(rules),
    ]


def _side_by_side(relation: str) -> str:
    key, counted = RELATIONS[relation].key, RELATIONS[relation].counted_twice
    if not counted:
        return f"create table {relation} as from everybody.{relation}"
    columns = ", ".join(["everybody.*", *(f"people.{column} as human_{column}" for column in counted)])
    return f"""
        create table {relation} as
        select {columns}
        from everybody.{relation} as everybody
        join people.{relation} as people using ({", ".join(key)})
    """


def _macros(rules: Rules) -> list[str]:
    elapsed = "(epoch_us(later) - epoch_us(earlier))::decimal(19, 0) * 0.000001::decimal(7, 6)"
    return [
        "create macro ratio(part, base) as coalesce(part / nullif(base, 0), 0)",
        f"create macro seconds(later, earlier) as {elapsed}",
        f"create macro rounded(part, base) as {rules.rounded}",
    ]


def _linked(rules: Rules) -> str:
    return f"""
        create table linked as
        with chosen as (
            select recipient_id, is_allowed, effective_at from inputs.consents where {rules.consent}
        ),
        placed as (
            select
                events.place,
                events.event_id,
                events.occurred_at,
                events.occurred_date,
                events.half_hour_at,
                events.delivery_id,
                events.message_id,
                coalesce(messages.recipient_id, 0) as recipient_id,
                events.url_id,
                case when events.url_id = 1 then 2 else urls.type end as url_type,
                case when events.url_id = 1 then 'Open' when urls.url_id is null then '' else {rules.url_label} end
                    as url_label,
                case when events.url_id = 1 or urls.url_id is null then '' else urls.category end as url_category,
                {rules.event_type} as event_type,
                events.person_id,
                events.browser,
                events.operating_system,
                events.device,
                events.report_browser,
                events.report_browser_version,
                events.report_operating_system,
                events.report_operating_system_version,
                events.report_device,
                events.is_mobile,
                seconds(events.occurred_at, {rules.sent_at}) as seconds_since_sent,
                make_timestamp(({rules.bucket}) * 300000000) as bucket_at,
                events.amount,
                events.article,
                events.user_agent,
                events.client_ip
            from inputs.events
            left join inputs.deliveries using (delivery_id)
            left join inputs.messages on {rules.message_of}
            left join inputs.tracked_urls as urls on {rules.url_of}
        )
        select placed.*, coalesce({rules.withdrawn}, false) as is_withdrawn
        from placed
        asof left join chosen
            on {rules.chooser} = chosen.recipient_id and placed.occurred_at {rules.since} chosen.effective_at
    """


def _tracking_events() -> str:
    return """
        create table tracking_events as
        from stream
        select * exclude (
            place, occurred_date, half_hour_at, bucket_at, amount, article, user_agent, client_ip, report_browser,
            report_browser_version, report_operating_system, report_operating_system_version, report_device, is_mobile,
            is_withdrawn
        )
    """


def _tracking_buckets() -> str:
    return """
        create table tracking_buckets as
        select delivery_id, url_id, bucket_at, count(kept.event_id) as event_count
        from stream
        left join (select event_id from kept) as kept using (event_id)
        group by delivery_id, url_id, bucket_at
    """


def _deliveries(rules: Rules) -> str:
    return f"""
        create table deliveries as
        select
            delivery_id,
            label,
            internal_name,
            channel,
            state,
            is_proof,
            is_model,
            typology_id,
            campaign_id,
            contact_at,
            validity_at,
            contact_at as sent_at,
            target_count,
            to_deliver_count,
            coalesce(processed_count, 0) as processed_count,
            coalesce(success_count, 0) as success_count,
            coalesce(error_count, 0) as error_count,
            last_event_at
        from inputs.deliveries
        left join (
            select
                delivery_id,
                count(*) filter ({rules.processed}) as processed_count,
                count(*) filter ({rules.success}) as success_count,
                count(*) filter ({rules.error}) as error_count
            from inputs.messages
            group by delivery_id
        ) using (delivery_id)
        left join (
            select delivery_id, max(occurred_at) as last_event_at from {rules.last_event_rows} group by delivery_id
        ) using (delivery_id)
    """


def _addressed(rules: Rules) -> str:
    return f"""
        create table addressed as
        select delivery_id, message_id, status, failure_reason, is_seed, {rules.message_domain} as domain
        from inputs.messages
        left join inputs.domains on {rules.alias_of}
    """


def _message_engagement(rules: Rules) -> str:
    return f"""
        create table message_engagement as
        with engaged as (
            select delivery_id, message_id from inputs.messages where {rules.engaged_message}
            union
            select delivery_id, message_id from stream where message_id <> 0 and {rules.engaged_stranger}
        ),
        reacted as (
            select
                delivery_id,
                message_id,
                count(*) as event_count,
                min(occurred_at) filter (event_type = 'open') as first_opened_at,
                max(occurred_at) filter (event_type = 'open') as last_opened_at,
                count(*) filter (event_type = 'open') as open_count,
                min(occurred_at) filter ({rules.click}) as first_clicked_at,
                max(occurred_at) filter ({rules.click}) as last_clicked_at,
                count(*) filter ({rules.click}) as click_count,
                count(*) filter (event_type = 'opt_out') as opt_out_count
            from kept
            group by delivery_id, message_id
        ),
        counted as (
            select
                delivery_id,
                message_id,
                coalesce(recipient_id, 0) as recipient_id,
                status,
                failure_reason,
                is_seed,
                coalesce(event_count, 0) as event_count,
                first_opened_at,
                last_opened_at,
                coalesce(open_count, 0) as open_count,
                first_clicked_at,
                last_clicked_at,
                coalesce(click_count, 0) as click_count,
                coalesce(opt_out_count, 0) as opt_out_count,
                coalesce(domain, 'Others') as domain
            from engaged
            {rules.described} inputs.deliveries using (delivery_id)
            left join inputs.messages using (delivery_id, message_id)
            left join (select delivery_id, message_id, domain from addressed) using (delivery_id, message_id)
            left join reacted using (delivery_id, message_id)
        )
        select
            * exclude (opt_out_count),
            {rules.opened} as has_opened,
            click_count > 0 as has_clicked,
            opt_out_count > 0 as has_opted_out
        from counted
    """


def _measures(rules: Rules) -> str:
    """Spec §4.1: what one delivery's rates and the platform's averages are made of."""
    return f"""
        create table measures as
        with counted as (
            select
                delivery_id,
                min(occurred_at) as first_event_at,
                count(distinct message_id) filter ({rules.somebody} and {rules.recipient_opened})
                    as recipient_open_count,
                count(*) filter (event_type = 'open') as total_open_count,
                count(distinct message_id) filter ({rules.somebody} and {rules.click}) as recipient_click_count,
                count(distinct person_id) filter ({rules.click}) as person_click_count,
                count(*) filter ({rules.click}) as total_click_count,
                count(*) filter (event_type = 'opt_out') as opt_out_click_count,
                count(*) filter (event_type = 'mirror_page') as mirror_page_click_count,
                count(*) filter ({rules.visited_page}) as visited_page_count,
                count(*) filter (event_type = 'transaction') as transaction_count,
                exact_sum(list(amount) filter ({rules.with_amount})) as transaction_amount,
                sum(article) filter ({rules.with_articles}) as article_count
            from kept
            group by delivery_id
        ),
        complained as (
            select delivery_id, count(*) filter ({rules.complaint}) as complaint_count
            from inputs.messages
            group by delivery_id
        ),
        filled as (
            select
                deliveries.*,
                {rules.text_count} as text_count,
                window_start_at,
                first_event_at,
                coalesce(recipient_open_count, 0) as recipient_open_count,
                coalesce(total_open_count, 0) as total_open_count,
                coalesce(recipient_click_count, 0) as recipient_click_count,
                coalesce(person_click_count, 0) as person_click_count,
                coalesce(total_click_count, 0) as total_click_count,
                coalesce(opt_out_click_count, 0) as opt_out_click_count,
                coalesce(mirror_page_click_count, 0) as mirror_page_click_count,
                coalesce(visited_page_count, 0) as visited_page_count,
                coalesce(transaction_count, 0) as transaction_count,
                coalesce(transaction_amount, '0') as transaction_amount,
                coalesce(article_count, 0) as article_count,
                coalesce(complaint_count, 0) as complaint_count
            from deliveries
            join inputs.deliveries as described using (delivery_id)
            left join counted using (delivery_id)
            left join complained using (delivery_id)
        )
        select *, {_estimate("recipient_open_count", rules)}, {_estimate("total_open_count", rules)} from filled
    """


def _estimate(count: str, rules: Rules) -> str:
    return f"""
        case
            when {rules.nothing_to_estimate} then 0
            else rounded({count}::hugeint * to_deliver_count, (to_deliver_count - text_count)::hugeint)
        end as estimated_{count}"""


def _delivery_indicators(rules: Rules) -> str:
    rates = {
        "reactivity_rate": ("recipient_click_count", rules.reactivity_base),
        "distinct_click_rate": ("person_click_count", rules.rate_base),
        "cumulated_click_rate": ("total_click_count", rules.rate_base),
    }
    own = ", ".join(f"ratio({part}, {base}) as {rate}" for rate, (part, base) in rates.items())
    averages = ", ".join(
        f"{rules.platform_average.format(part=part, base=base)} as platform_{rate}"
        for rate, (part, base) in rates.items()
    )
    return f"""
        create table delivery_indicators as
        with platform as (
            select self.delivery_id, {averages}
            from measures as self
            left join measures as peer
                on {rules.platform_kind}
                and {rules.platform_typology}
                and {rules.platform_channel}
                and {rules.platform_start}
                and {rules.platform_end}
            group by self.delivery_id
        )
        select
            delivery_id,
            recipient_open_count,
            total_open_count,
            estimated_recipient_open_count,
            estimated_total_open_count,
            recipient_click_count,
            person_click_count,
            total_click_count,
            opt_out_click_count,
            mirror_page_click_count,
            person_click_count - recipient_click_count as forward_count,
            visited_page_count,
            transaction_count,
            transaction_amount,
            article_count,
            complaint_count,
            ratio(recipient_click_count, recipient_open_count) as raw_reactivity_rate,
            {own},
            platform_reactivity_rate,
            platform_distinct_click_rate,
            platform_cumulated_click_rate
        from measures
        join platform using (delivery_id)
    """


def _links(rules: Rules) -> str:
    """Spec §4.3 and §8.4: every tracked URL of a described delivery but the open pixel, with its clicks of any type."""
    return f"""
        create table links as
        with clicked as (
            select delivery_id, url_id, count(*) as click_count from kept group by delivery_id, url_id
        ),
        known as (
            select
                delivery_id,
                url_id,
                type,
                urls.label as given_label,
                {rules.url_label} as label,
                category,
                source_url,
                coalesce(occurrence, 0) as occurrence,
                content_part,
                {rules.offer} as has_offer
            from inputs.tracked_urls as urls
            union all
            select distinct delivery_id, url_id, null, '', '', '', '', 0, '', false
            from kept
            where {rules.unknown_link} and url_type is null
        )
        select known.*, coalesce(click_count, 0) as click_count
        from known
        {rules.described} inputs.deliveries using (delivery_id)
        left join clicked using (delivery_id, url_id)
        where {rules.link}
    """


def _share(rules: Rules) -> str:
    return f"ratio(click_count, sum({rules.share_base}) over (partition by delivery_id)) as click_share"


def _url_clicks(rules: Rules) -> str:
    return f"""
        create table url_clicks as
        select
            delivery_id,
            url_id,
            label,
            category,
            source_url,
            click_count,
            {_share(rules)},
            row_number() over (partition by delivery_id order by {rules.url_order}) as rank
        from links
        where {rules.listed}
    """


def _clicks_by_name(relation: str, name: str, merged: str, listed: str, rules: Rules) -> str:
    return f"""
        create table {relation} as
        with named as (select *, {merged} as name, {_share(rules)} from links where {listed}),
        summed as (
            select delivery_id, name, sum(click_count) as click_count, sum(click_share) as click_share
            from named
            group by delivery_id, name
        )
        select
            delivery_id,
            name as {name},
            click_count,
            click_share,
            row_number() over (partition by delivery_id order by {rules.name_order}) as rank
        from summed
        where {rules.listed}
    """


def _url_clicks_by_day() -> str:
    return """
        create table url_clicks_by_day as
        select delivery_id, url_id, occurred_date as click_date, count(kept.event_id) as click_count
        from stream
        semi join links using (delivery_id, url_id)
        left join (select event_id from kept) as kept using (event_id)
        group by delivery_id, url_id, occurred_date
    """


def _tracking_statistics(rules: Rules) -> str:
    series = {"opens": "event_type = 'open'", "clicks": rules.click, "transactions": "event_type = 'transaction'"}
    filled = " union all ".join(
        f"select delivery_id, '{name}' as series, bucket_at, count(*) as event_count"
        f" from kept where {condition} group by delivery_id, bucket_at"
        for name, condition in series.items()
    )
    return f"""
        create table tracking_statistics as
        with filled as ({filled}),
        cumulated as (
            select
                *,
                sum(event_count) over (partition by delivery_id, series order by bucket_at) as cumulated_count,
                sum(event_count) over (partition by delivery_id, series) as total_count
            from filled
        ),
        cells as (
            select delivery_id, series, percent
            from measures, unnest({list(series)}) as all_series (series), range(10, 100, 10) as percents (percent)
        ),
        reaching as (
            select delivery_id, series, percent, min({rules.bucket_end}) as reached_at
            from cells
            join cumulated using (delivery_id, series)
            where {rules.reached}
            group by delivery_id, series, percent
        )
        select delivery_id, series, percent, seconds(reached_at, {rules.pareto_origin}) as seconds_to_percent
        from cells
        join measures using (delivery_id)
        left join reaching using (delivery_id, series, percent)
    """


def _user_activity(rules: Rules) -> str:
    series = {
        "opens": "event_type = 'open'",
        "clicks": rules.active_click,
        "transactions": "event_type = 'transaction'",
    }
    filled = " union all ".join(
        f"select event_id, delivery_id, '{name}' as series, half_hour_at from stream where {condition}"
        for name, condition in series.items()
    )
    return f"""
        create table user_activity as
        select delivery_id, series, half_hour_at, count(kept.event_id) as event_count
        from ({filled})
        left join (select event_id from kept) as kept using (event_id)
        {rules.described} inputs.deliveries using (delivery_id)
        group by delivery_id, series, half_hour_at
    """


def _sharing_activity(rules: Rules) -> str:
    return f"""
        create table sharing_activity as
        with networks as (
            select unnest({list(rules.networks)}) as category
        ),
        shared as (
            select measures.delivery_id, networks.category, {rules.sharing_base} as base, coalesce(sum(click_count), 0) as share_count
            from measures
            cross join networks
            left join links on measures.delivery_id = links.delivery_id and {rules.shared}
            group by measures.delivery_id, networks.category, base
        )
        select
            delivery_id,
            upper(category[1]) || category[2:] as network,
            share_count,
            ratio(share_count, sum(share_count) over (partition by delivery_id)) as share_breakdown_rate,
            ratio(share_count, base) as sharing_rate
        from shared
        where {rules.listed_network}
    """


def _open_breakdown(rules: Rules) -> str:
    return f"""
        create table open_breakdown as
        select
            delivery_id,
            report_operating_system as operating_system,
            report_device as device,
            report_browser as browser,
            is_mobile,
            count(kept.event_id) as open_count
        from stream
        left join (select event_id from kept) as kept using (event_id)
        {rules.described} inputs.deliveries using (delivery_id)
        where {rules.opened_with}
        group by all
    """


def _visits(rules: Rules) -> str:
    """Clicks and visited pages that are somebody's, in deliveries that are neither proofs nor templates."""
    return f"""
        create table visits as
        select
            stream.*, kept.event_id is not null as is_kept, occurred_date as activity_date, {rules.visitor} as visitor
        from stream
        left join (select event_id from kept) as kept using (event_id)
        join inputs.deliveries as described using (delivery_id)
        where {rules.visited_with} and {rules.in_totals} and ({rules.visitor}) is not null
    """


def _visitor_statistics(name: str, rules: Rules) -> str:
    return f"""
        create table {name}_statistics as
        with visitors as (
            select
                activity_date,
                report_{name} as name,
                report_{name}_version as version,
                visitor,
                count(*) filter (is_kept) as page_count,
                count(*) filter (is_kept and {rules.click}) as click_count,
                count(*) filter ({rules.click}) as stream_click_count
            from visits
            group by all
        ),
        counted as (
            select
                activity_date,
                name,
                version,
                count(*) filter (click_count > 0) as visitor_count,
                coalesce(sum(page_count) filter ({rules.page_of_visitor}), 0) as page_count
            from visitors
            group by activity_date, name, version
            having sum(stream_click_count) > 0
        ),
        days as (
            select activity_date, count(distinct visitor) filter (click_count > 0) as day_visitor_count
            from visitors
            group by activity_date
        )
        select
            *,
            ratio(visitor_count, {rules.usage_base}) as usage_rate,
            ratio(visitor_count, sum(visitor_count) over (partition by activity_date)) as global_rate,
            ratio(visitor_count, sum(visitor_count) over (partition by {rules.relative_name})) as relative_rate
        from counted
        join days using (activity_date)
    """


def _hot_clicks(rules: Rules) -> str:
    return f"""
        create table hot_clicks as
        with shared as (select *, {_share(rules)} from links)
        select
            delivery_id,
            url_id,
            occurrence,
            content_part,
            click_count,
            click_share,
            {rules.drawn}
                and case when bodies.delivery_id is null then {rules.drawn_without_body} else {rules.found} end
                as is_drawn
        from shared
        left join inputs.bodies using (delivery_id, content_part)
        left join inputs.body_links using (delivery_id, content_part, source_url)
        where {rules.shown_links}
    """


def _delivery_summary(rules: Rules) -> str:
    """Spec §4.11: the initial population and what became of it; counts that are not known stay unknown, rates are 0."""
    return f"""
        create table delivery_summary as
        select
            delivery_id,
            described.target_count,
            rejected_count,
            ratio(rejected_count, {rules.rejected_base}) as rejected_rate,
            described.to_deliver_count,
            success_count,
            ratio(success_count, {rules.summary_base}) as success_rate,
            error_count,
            ratio(error_count, {rules.summary_base}) as error_rate,
            new_quarantine_count,
            ratio(new_quarantine_count, {rules.summary_base}) as new_quarantine_rate
        from inputs.deliveries as described
        join deliveries using (delivery_id)
    """


def _delivery_exclusions(rules: Rules) -> str:
    return f"""
        create table delivery_exclusions as
        select
            delivery_id,
            reason,
            count(*) as exclusion_count,
            ratio(exclusion_count, sum(exclusion_count) over ({rules.exclusions_of})) as exclusion_share
        from inputs.exclusions
        {rules.described} inputs.deliveries using (delivery_id)
        group by delivery_id, reason
    """


FAILURE_LABELS = {
    1: "User unknown",
    2: "Invalid domain",
    3: "Unreachable",
    4: "Account disabled",
    5: "Mailbox full",
    6: "Not connected",
    8: "Address on denylist",
    20: "Refused",
}
"""Spec §1.4."""


_DOMAIN_COUNTS = (
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
)


def _domain_indicators(rules: Rules) -> str:
    """Every domain of a described delivery's messages and reactions."""
    rates = {
        "delivered_rate": ("success_count", "processed_count"),
        "hard_bounce_rate": ("hard_bounce_count", rules.bounce_base),
        "soft_bounce_rate": ("soft_bounce_count", rules.bounce_base),
        "complaint_rate": ("complaint_count", rules.complaint_base),
        "open_rate": ("recipient_open_count", rules.domain_rate_base),
        "click_rate": (rules.domain_click, rules.domain_rate_base),
        "person_click_rate": ("person_click_count", rules.domain_rate_base),
        "opt_out_rate": ("opt_out_click_count", rules.domain_rate_base),
        "raw_reactivity_rate": ("recipient_click_count", "recipient_open_count"),
    }
    return f"""
        create table domain_indicators as
        with sent as (
            select
                delivery_id,
                domain,
                count(*) filter ({rules.processed}) as processed_count,
                count(*) filter ({rules.success}) as success_count,
                count(*) filter ({rules.error}) as error_count,
                count(*) filter ({rules.error} and {rules.hard_bounce}) as hard_bounce_count,
                count(*) filter ({rules.error} and {rules.soft_bounce}) as soft_bounce_count,
                count(*) filter ({rules.complaint}) as complaint_count
            from addressed
            group by delivery_id, domain
        ),
        reacted as (
            select
                delivery_id,
                coalesce(domain, 'Others') as domain,
                count(distinct message_id) filter ({rules.somebody} and {rules.recipient_opened})
                    as recipient_open_count,
                count(distinct message_id) filter ({rules.somebody} and {rules.click}) as recipient_click_count,
                count(distinct {rules.domain_person}) filter ({rules.click}) as person_click_count,
                count(*) filter (event_type = 'opt_out') as opt_out_click_count
            from kept
            left join addressed using (delivery_id, message_id)
            where {rules.stray_reaction}
            group by all
        ),
        listed as (
            select delivery_id, domain from sent
            union
            select delivery_id, coalesce(domain, 'Others') from stream
            left join addressed using (delivery_id, message_id)
            where {rules.stray_reaction}
        ),
        counted as (
            select delivery_id, domain, {", ".join(f"coalesce({count}, 0) as {count}" for count in _DOMAIN_COUNTS)}
            from listed
            left join sent using (delivery_id, domain)
            left join reacted using (delivery_id, domain)
            {rules.described} inputs.deliveries using (delivery_id)
        )
        select *, {", ".join(f"ratio({part}, {base}) as {rate}" for rate, (part, base) in rates.items())} from counted
    """


def _bounces(rules: Rules) -> str:
    label = " ".join(f"when {code} then '{label}'" for code, label in FAILURE_LABELS.items())
    return f"""
        create table bounces as
        with failed as (
            select delivery_id, domain, coalesce(failure_reason, 0) as failure_reason, count(*) as error_count
            from addressed
            where {rules.error} and {rules.listed_reason}
            group by all
        )
        select
            delivery_id,
            domain,
            failure_reason,
            case failure_reason {label} else '' end as failure_label,
            failed.error_count,
            domains.processed_count as domain_processed_count,
            ratio(failed.error_count, sum(failed.error_count) over (partition by {rules.contribution_of})) as contribution_rate,
            ratio(failed.error_count, {rules.breakdown_base}) as breakdown_rate
        from failed
        join domain_indicators as domains using (delivery_id, domain)
        join deliveries using (delivery_id)
    """
