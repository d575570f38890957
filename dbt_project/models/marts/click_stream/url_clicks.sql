{{ config(
    unique_key=['delivery_id', 'url_id'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with deliveries as (
    select * from {{ ref('deliveries') }}
    where {{ is_touched('delivery_id') }}
),

tracked_urls as (
    select * from {{ ref('stg_delivery_data__tracked_urls') }}
    where {{ is_touched('delivery_id') }} and url_id <> 1
),

tracking_buckets as (
    select * from {{ ref('tracking_buckets') }}
    where {{ is_touched('delivery_id') }}
),

clicks as (
    select
        delivery_id,
        url_id,
        sum(event_count)::bigint as click_count,
        sum(human_event_count)::bigint as human_click_count
    from tracking_buckets
    group by delivery_id, url_id
),

counted as (
    select
        tracked_urls.delivery_id,
        tracked_urls.url_id,
        tracked_urls.url_type,
        tracked_urls.label,
        tracked_urls.category,
        tracked_urls.source_url,
        tracked_urls.content_part,
        coalesce(tracked_urls.occurrence, 0) as occurrence,
        coalesce(tracked_urls.offer_id, 0) as offer_id,
        coalesce(clicks.click_count, 0) as click_count,
        coalesce(clicks.human_click_count, 0) as human_click_count
    from tracked_urls
    inner join deliveries on tracked_urls.delivery_id = deliveries.delivery_id
    left join clicks on tracked_urls.delivery_id = clicks.delivery_id and tracked_urls.url_id = clicks.url_id
)

select
    delivery_id,
    url_id,
    url_type,
    label,
    category,
    source_url,
    click_count,
    {{ rate('click_count', 'sum(click_count) over (partition by delivery_id)') }} as click_share,
    (row_number() over (partition by delivery_id order by click_count desc, label collate "C" asc, url_id asc))::integer as rank,
    offer_id,
    content_part,
    occurrence,
    human_click_count,
    {{ rate('human_click_count', 'sum(human_click_count) over (partition by delivery_id)') }} as human_click_share,
    (row_number() over (partition by delivery_id order by human_click_count desc, label collate "C" asc, url_id asc))::integer as human_rank
from counted
