{{ config(
    unique_key=['delivery_id'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with deliveries as (
    select * from {{ ref('stg_delivery_data__deliveries') }}
    where {{ is_touched('delivery_id') }}
),

counts as (
    select * from {{ ref('int_deliveries__counts') }}
    where {{ is_touched('delivery_id') }}
),

events as (
    select * from {{ ref('int_tracking_events__judged') }}
),

channels as (
    select * from {{ ref('channels') }}
),

delivery_states as (
    select * from {{ ref('delivery_states') }}
)

select
    deliveries.delivery_id,
    deliveries.typology_id,
    deliveries.campaign_id,
    deliveries.label,
    deliveries.internal_name,
    deliveries.delivery_code,
    deliveries.channel,
    coalesce(channels.label, '') as channel_label,
    deliveries.state,
    coalesce(delivery_states.label, '') as state_label,
    deliveries.target_count,
    deliveries.to_deliver_count,
    deliveries.text_count,
    coalesce(counts.success_count + counts.error_count + counts.prepared_count, 0) as processed_count,
    coalesce(counts.success_count, 0) as success_count,
    coalesce(counts.error_count, 0) as error_count,
    coalesce(counts.complaint_count, 0) as complaint_count,
    deliveries.is_proof,
    deliveries.is_model,
    deliveries.contact_at,
    deliveries.validity_at,
    deliveries.contact_at as sent_at,
    last_events.last_event_at
from deliveries
left join counts on deliveries.delivery_id = counts.delivery_id
-- By the index on delivery and time, newest first: one row is read.
left join lateral (
    select events.occurred_at as last_event_at
    from events
    where events.delivery_id = deliveries.delivery_id and events.is_counted
    order by events.occurred_at desc
    limit 1
) as last_events on true
left join channels on deliveries.channel = channels.code
left join delivery_states on deliveries.state = delivery_states.code
