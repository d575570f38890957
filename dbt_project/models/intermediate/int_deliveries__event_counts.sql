{{ config(
    materialized='versioned',
    unique_key=['delivery_id'],
    meta={'scope': {'column': 'delivery_id', 'relation': 'int_deliveries__touched'}}
) }}

with events as (
    select * from {{ ref('int_tracking_events__deduplicated') }}
    where {{ is_touched('delivery_id') }}
)

select
    delivery_id,
    count(*) as event_count,
    count(*) filter (where is_duplicate_open) as duplicate_open_count
from events
group by delivery_id
