{{ config(
    materialized='versioned',
    unique_key=['delivery_id'],
    meta={'scope': {'column': 'delivery_id', 'relation': 'int_deliveries__touched'}}
) }}

with deliveries as (
    select * from {{ ref('deliveries') }}
    where {{ is_touched('delivery_id') }}
),

tracking_events as (
    select * from {{ ref('tracking_events') }}
    where is_counted and {{ is_touched('delivery_id') }}
),

-- `Iif(condition, x, 0)` inside a count reads "x where condition": the 0 is not counted (spec 0.2, rule 5).
-- Message 0 is no message, and a count of distinct persons leaves the empty UUID out.
event_counts as (
    select
        delivery_id,
        count(distinct message_id) filter (where message_id <> 0) as recipient_open_count,
        count(*) filter (where event_type = 'open') as total_open_count,
        count(distinct message_id) filter (where event_type = 'click' and message_id <> 0) as recipient_click_count,
        count(distinct person_id) filter (where event_type = 'click') as person_click_count,
        count(*) filter (where event_type = 'click') as total_click_count,
        count(*) filter (where event_type = 'opt_out') as opt_out_click_count,
        count(*) filter (where event_type = 'mirror_page') as mirror_page_click_count,
        count(*) filter (where event_type in ('web', 'transaction')) as visited_page_count,
        count(*) filter (where event_type = 'transaction') as transaction_count,
        coalesce(sum(transaction_amount) filter (where event_type = 'transaction'), 0) as transaction_amount,
        coalesce(sum(article_count) filter (where event_type = 'transaction'), 0)::bigint as article_count
    from tracking_events
    group by delivery_id
),

counted as (
    select
        deliveries.delivery_id,
        deliveries.to_deliver_count,
        deliveries.text_count,
        deliveries.success_count,
        deliveries.complaint_count,
        coalesce(event_counts.recipient_open_count, 0) as recipient_open_count,
        coalesce(event_counts.total_open_count, 0) as total_open_count,
        coalesce(event_counts.recipient_click_count, 0) as recipient_click_count,
        coalesce(event_counts.person_click_count, 0) as person_click_count,
        coalesce(event_counts.total_click_count, 0) as total_click_count,
        coalesce(event_counts.opt_out_click_count, 0) as opt_out_click_count,
        coalesce(event_counts.mirror_page_click_count, 0) as mirror_page_click_count,
        coalesce(event_counts.visited_page_count, 0) as visited_page_count,
        coalesce(event_counts.transaction_count, 0) as transaction_count,
        coalesce(event_counts.transaction_amount, 0) as transaction_amount,
        coalesce(event_counts.article_count, 0) as article_count
    from deliveries
    left join event_counts on deliveries.delivery_id = event_counts.delivery_id
),

estimated as (
    select
        counted.*,
        {{ estimated_for_population('recipient_open_count', 'to_deliver_count', 'text_count') }} as estimated_recipient_open_count,
        {{ estimated_for_population('total_open_count', 'to_deliver_count', 'text_count') }} as estimated_total_open_count
    from counted
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
    {{ rate('recipient_click_count', 'recipient_open_count') }} as raw_reactivity_rate,
    {{ rate('recipient_click_count', 'estimated_recipient_open_count') }} as reactivity_rate,
    {{ rate('person_click_count', 'success_count') }} as distinct_click_rate,
    {{ rate('total_click_count', 'success_count') }} as cumulated_click_rate
from estimated
