{{ config(
    unique_key=['delivery_id', 'series', 'half_hour_at'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with deliveries as (
    select * from {{ ref('deliveries') }}
    where {{ is_touched('delivery_id') }}
),

tracking_buckets as (
    select * from {{ ref('tracking_buckets') }}
    where {{ is_touched('delivery_id') }}
),

url_clicks as (
    select * from {{ ref('url_clicks') }}
    where {{ is_touched('delivery_id') }}
),

typed_buckets as (
    select
        tracking_buckets.delivery_id,
        tracking_buckets.bucket_at,
        tracking_buckets.event_count,
        tracking_buckets.human_event_count,
        {{ series_of('tracking_buckets.url_id', 'url_clicks.url_type') }} as series,
        {{ reporting_time('tracking_buckets.bucket_at') }} as shown_time
    from tracking_buckets
    inner join deliveries on tracking_buckets.delivery_id = deliveries.delivery_id
    left join url_clicks on tracking_buckets.delivery_id = url_clicks.delivery_id and tracking_buckets.url_id = url_clicks.url_id
),

-- What the clock shows beyond the half hour is taken off the instant: an hour that the clock shows twice stays two, and in a
-- zone of 45 minutes half hours begin at a quarter past by UTC. They are whole numbers of buckets in any zone of this century.
placed as (
    select
        delivery_id,
        series,
        event_count,
        human_event_count,
        bucket_at - (shown_time - date_bin(interval '30 minutes', shown_time, timestamp '2000-01-01 00:00:00')) as half_hour_at
    from typed_buckets
    where series is not null
)

select
    delivery_id,
    series,
    sum(event_count)::bigint as event_count,
    half_hour_at,
    sum(human_event_count)::bigint as human_event_count
from placed
group by delivery_id, series, half_hour_at
