{{ config(
    unique_key=['delivery_id', 'url_id', 'click_date'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with url_clicks as (
    select * from {{ ref('url_clicks') }}
    where {{ is_touched('delivery_id') }}
),

tracking_buckets as (
    select * from {{ ref('tracking_buckets') }}
    where {{ is_touched('delivery_id') }}
)

-- A day of any time zone of this century is a whole number of five-minute buckets.
select
    tracking_buckets.delivery_id,
    tracking_buckets.url_id,
    {{ reporting_time('tracking_buckets.bucket_at') }}::date as click_date,
    sum(tracking_buckets.event_count)::bigint as click_count,
    sum(tracking_buckets.human_event_count)::bigint as human_click_count
from tracking_buckets
inner join url_clicks on tracking_buckets.delivery_id = url_clicks.delivery_id and tracking_buckets.url_id = url_clicks.url_id
group by tracking_buckets.delivery_id, tracking_buckets.url_id, click_date
