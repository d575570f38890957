{{ config(materialized='stable_view') }}

with deliveries as (
    select * from {{ ref('deliveries') }}
),

counts as (
    select * from {{ ref('int_deliveries__counts') }}
),

counted as (
    select
        deliveries.delivery_id,
        deliveries.to_deliver_count,
        deliveries.text_count,
        deliveries.success_count,
        deliveries.complaint_count,
        coalesce(counts.recipient_open_count, 0) as recipient_open_count,
        coalesce(counts.total_open_count, 0) as total_open_count,
        coalesce(counts.recipient_click_count, 0) as recipient_click_count,
        coalesce(counts.person_click_count, 0) as person_click_count,
        coalesce(counts.total_click_count, 0) as total_click_count,
        coalesce(counts.opt_out_click_count, 0) as opt_out_click_count,
        coalesce(counts.mirror_page_click_count, 0) as mirror_page_click_count,
        coalesce(counts.visited_page_count, 0) as visited_page_count,
        coalesce(counts.transaction_count, 0) as transaction_count,
        coalesce(counts.transaction_amount, 0) as transaction_amount,
        coalesce(counts.article_count, 0) as article_count
    from deliveries
    left join counts on deliveries.delivery_id = counts.delivery_id
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
