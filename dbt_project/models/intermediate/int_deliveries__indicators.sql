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
    {%- for human in ['', 'human_'] %}
        coalesce(counts.{{ human }}recipient_open_count, 0) as {{ human }}recipient_open_count,
        coalesce(counts.{{ human }}total_open_count, 0) as {{ human }}total_open_count,
        coalesce(counts.{{ human }}recipient_click_count, 0) as {{ human }}recipient_click_count,
        coalesce(counts.{{ human }}person_click_count, 0) as {{ human }}person_click_count,
        coalesce(counts.{{ human }}total_click_count, 0) as {{ human }}total_click_count,
        coalesce(counts.{{ human }}opt_out_click_count, 0) as {{ human }}opt_out_click_count,
        coalesce(counts.{{ human }}mirror_page_click_count, 0) as {{ human }}mirror_page_click_count,
        coalesce(counts.{{ human }}visited_page_count, 0) as {{ human }}visited_page_count,
        coalesce(counts.{{ human }}transaction_count, 0) as {{ human }}transaction_count,
        coalesce(counts.{{ human }}transaction_amount, 0) as {{ human }}transaction_amount,
        coalesce(counts.{{ human }}article_count, 0) as {{ human }}article_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from deliveries
    left join counts on deliveries.delivery_id = counts.delivery_id
),

estimated as (
    select
        counted.*,
    {%- for human in ['', 'human_'] %}
        {{ estimated_for_population(human ~ 'recipient_open_count', 'to_deliver_count', 'text_count') }}
            as {{ human }}estimated_recipient_open_count,
        {{ estimated_for_population(human ~ 'total_open_count', 'to_deliver_count', 'text_count') }}
            as {{ human }}estimated_total_open_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from counted
)

select
    delivery_id,
    complaint_count,
{%- for human in ['', 'human_'] %}
    {{ human }}recipient_open_count,
    {{ human }}total_open_count,
    {{ human }}estimated_recipient_open_count,
    {{ human }}estimated_total_open_count,
    {{ human }}recipient_click_count,
    {{ human }}person_click_count,
    {{ human }}total_click_count,
    {{ human }}opt_out_click_count,
    {{ human }}mirror_page_click_count,
    {{ human }}person_click_count - {{ human }}recipient_click_count as {{ human }}forward_count,
    {{ human }}visited_page_count,
    {{ human }}transaction_count,
    {{ human }}transaction_amount,
    {{ human }}article_count,
    {{ rate(human ~ 'recipient_click_count', human ~ 'recipient_open_count') }} as {{ human }}raw_reactivity_rate,
    {{ rate(human ~ 'recipient_click_count', human ~ 'estimated_recipient_open_count') }} as {{ human }}reactivity_rate,
    {{ rate(human ~ 'person_click_count', 'success_count') }} as {{ human }}distinct_click_rate,
    {{ rate(human ~ 'total_click_count', 'success_count') }} as {{ human }}cumulated_click_rate
    {{- ',' if not loop.last }}
{%- endfor %}
from estimated
