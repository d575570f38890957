{{ config(
    unique_key=['delivery_id', 'url_id', 'bucket_at'],
    meta={'scope': {'column': 'delivery_id', 'relation': 'int_deliveries__touched'}}
) }}

with tracking_events as (
    select * from {{ ref('tracking_events') }}
    where is_counted and {{ is_touched('delivery_id') }}
)

-- Five minutes aligned on the clock; an event at the boundary belongs to the later bucket (spec 8.25).
select
    delivery_id,
    url_id,
    date_bin(interval '5 minutes', occurred_at, timestamptz '1970-01-01 00:00:00+00') as bucket_at,
    count(*) as event_count
from tracking_events
group by delivery_id, url_id, bucket_at
