{{ config(unique_key=['delivery_id']) }}

-- Not limited to the deliveries that the candidate touches: another delivery's figures move the platform average.
with indicators as (
    select * from {{ ref('int_deliveries__indicators') }}
),

platform_averages as (
    select * from {{ ref('int_deliveries__platform_averages') }}
)

select
    indicators.delivery_id,
    indicators.recipient_open_count,
    indicators.total_open_count,
    indicators.estimated_recipient_open_count,
    indicators.estimated_total_open_count,
    indicators.recipient_click_count,
    indicators.person_click_count,
    indicators.total_click_count,
    indicators.opt_out_click_count,
    indicators.mirror_page_click_count,
    indicators.forward_count,
    indicators.visited_page_count,
    indicators.transaction_count,
    indicators.transaction_amount,
    indicators.article_count,
    indicators.complaint_count,
    indicators.raw_reactivity_rate,
    indicators.reactivity_rate,
    indicators.distinct_click_rate,
    indicators.cumulated_click_rate,
    coalesce(platform_averages.platform_reactivity_rate, 0) as platform_reactivity_rate,
    coalesce(platform_averages.platform_distinct_click_rate, 0) as platform_distinct_click_rate,
    coalesce(platform_averages.platform_cumulated_click_rate, 0) as platform_cumulated_click_rate,
    indicators.human_recipient_open_count,
    indicators.human_total_open_count,
    indicators.human_estimated_recipient_open_count,
    indicators.human_estimated_total_open_count,
    indicators.human_recipient_click_count,
    indicators.human_person_click_count,
    indicators.human_total_click_count,
    indicators.human_opt_out_click_count,
    indicators.human_mirror_page_click_count,
    indicators.human_forward_count,
    indicators.human_visited_page_count,
    indicators.human_transaction_count,
    indicators.human_transaction_amount,
    indicators.human_article_count,
    indicators.human_raw_reactivity_rate,
    indicators.human_reactivity_rate,
    indicators.human_distinct_click_rate,
    indicators.human_cumulated_click_rate,
    coalesce(platform_averages.human_platform_reactivity_rate, 0) as human_platform_reactivity_rate,
    coalesce(platform_averages.human_platform_distinct_click_rate, 0) as human_platform_distinct_click_rate,
    coalesce(platform_averages.human_platform_cumulated_click_rate, 0) as human_platform_cumulated_click_rate
from indicators
left join platform_averages on indicators.delivery_id = platform_averages.delivery_id
