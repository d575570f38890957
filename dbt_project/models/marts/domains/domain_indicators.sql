{{ config(
    unique_key=['delivery_id', 'domain'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with deliveries as (
    select * from {{ ref('deliveries') }}
    where {{ is_touched('delivery_id') }}
),

counts as (
    select * from {{ ref('int_domains__counts') }}
    where {{ is_touched('delivery_id') }}
),

processed as (
    select
        counts.*,
        counts.success_count + counts.error_count + counts.prepared_count as processed_count
    from counts
    inner join deliveries on counts.delivery_id = deliveries.delivery_id
)

select
    delivery_id,
    domain,
    processed_count,
    success_count,
    error_count,
    hard_bounce_count,
    soft_bounce_count,
    complaint_count,
    recipient_open_count,
    recipient_click_count,
    person_click_count,
    opt_out_click_count,
    {{ rate('success_count', 'processed_count') }} as delivered_rate,
    {{ rate('hard_bounce_count', 'processed_count') }} as hard_bounce_rate,
    {{ rate('soft_bounce_count', 'processed_count') }} as soft_bounce_rate,
    {{ rate('complaint_count', 'success_count') }} as complaint_rate,
    {{ rate('recipient_open_count', 'success_count') }} as open_rate,
    {{ rate('recipient_click_count', 'success_count') }} as click_rate,
    {{ rate('person_click_count', 'success_count') }} as person_click_rate,
    {{ rate('opt_out_click_count', 'success_count') }} as opt_out_rate,
    {{ rate('recipient_click_count', 'recipient_open_count') }} as raw_reactivity_rate,
    human_recipient_open_count,
    human_recipient_click_count,
    human_person_click_count,
    human_opt_out_click_count,
    {{ rate('human_recipient_open_count', 'success_count') }} as human_open_rate,
    {{ rate('human_recipient_click_count', 'success_count') }} as human_click_rate,
    {{ rate('human_person_click_count', 'success_count') }} as human_person_click_rate,
    {{ rate('human_opt_out_click_count', 'success_count') }} as human_opt_out_rate,
    {{ rate('human_recipient_click_count', 'human_recipient_open_count') }} as human_raw_reactivity_rate
from processed
