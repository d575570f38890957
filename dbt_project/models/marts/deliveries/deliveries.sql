{{ config(
    unique_key=['delivery_id'],
    meta={'scope': {'column': 'delivery_id', 'relation': 'int_deliveries__touched'}}
) }}

with deliveries as (
    select * from {{ ref('stg_delivery_data__deliveries') }}
    where {{ is_touched('delivery_id') }}
),

messages as (
    select * from {{ ref('stg_delivery_data__messages') }}
    where {{ is_touched('delivery_id') }}
),

tracking_events as (
    select * from {{ ref('tracking_events') }}
    where is_counted and {{ is_touched('delivery_id') }}
),

message_statuses as (
    select * from {{ ref('message_statuses') }}
),

channels as (
    select * from {{ ref('channels') }}
),

delivery_states as (
    select * from {{ ref('delivery_states') }}
),

-- Seeds are control addresses and leave every population count (spec 4.1).
message_counts as (
    select
        messages.delivery_id,
        count(*) filter (where message_statuses.is_success) as success_count,
        count(*) filter (where message_statuses.is_error) as error_count,
        count(*) filter (where message_statuses.is_prepared) as prepared_count,
        count(*) filter (where message_statuses.is_error and messages.failure_reason = 8) as complaint_count
    from messages
    inner join message_statuses on messages.status = message_statuses.code
    where not messages.is_seed
    group by messages.delivery_id
),

last_events as (
    select
        delivery_id,
        max(occurred_at) as last_event_at
    from tracking_events
    group by delivery_id
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
    coalesce(message_counts.success_count + message_counts.error_count + message_counts.prepared_count, 0) as processed_count,
    coalesce(message_counts.success_count, 0) as success_count,
    coalesce(message_counts.error_count, 0) as error_count,
    coalesce(message_counts.complaint_count, 0) as complaint_count,
    deliveries.is_proof,
    deliveries.is_model,
    deliveries.contact_at,
    deliveries.validity_at,
    deliveries.contact_at as sent_at,
    last_events.last_event_at
from deliveries
left join message_counts on deliveries.delivery_id = message_counts.delivery_id
left join last_events on deliveries.delivery_id = last_events.delivery_id
left join channels on deliveries.channel = channels.code
left join delivery_states on deliveries.state = delivery_states.code
