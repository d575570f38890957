{{ config(
    unique_key=['event_id'],
    indexes=[
        {'columns': ['delivery_id', 'occurred_at']},
        {'columns': ['recipient_id']},
    ],
    meta={'scope': {'column': 'delivery_id', 'relation': 'int_deliveries__touched'}}
) }}

with events as (
    select * from {{ ref('int_tracking_events__deduplicated') }}
    where {{ is_touched('delivery_id') }} and not is_duplicate_open
),

deliveries as (
    select * from {{ ref('stg_delivery_data__deliveries') }}
    where {{ is_touched('delivery_id') }}
),

messages as (
    select * from {{ ref('stg_delivery_data__messages') }}
    where {{ is_touched('delivery_id') }}
),

tracked_urls as (
    select * from {{ ref('stg_delivery_data__tracked_urls') }}
    where {{ is_touched('delivery_id') }}
),

message_statuses as (
    select * from {{ ref('message_statuses') }}
),

url_types as (
    select * from {{ ref('url_types') }}
),

-- Every join is on (delivery, id): a message or URL of another delivery is unknown in this one.
linked as (
    select
        events.*,
        deliveries.delivery_id is not null as is_known_delivery,
        messages.message_id is not null as is_known_message,
        tracked_urls.url_id is not null or events.url_id = 1 as is_known_url,
        coalesce(messages.recipient_id, 0) as recipient_id,
        case when events.url_id = 1 then 2 else tracked_urls.url_type end as url_type,
        case when events.url_id = 1 then 'Open' else coalesce(tracked_urls.label, '') end as url_label,
        case when events.url_id = 1 then '' else coalesce(tracked_urls.category, '') end as url_category,
        coalesce(case when message_statuses.is_success then messages.event_at end, deliveries.contact_at) as sent_at
    from events
    left join deliveries on events.delivery_id = deliveries.delivery_id
    left join messages on events.delivery_id = messages.delivery_id and events.message_id = messages.message_id
    left join message_statuses on messages.status = message_statuses.code
    left join tracked_urls on events.delivery_id = tracked_urls.delivery_id and events.url_id = tracked_urls.url_id
),

typed as (
    select
        linked.*,
        coalesce(url_types.label, '') as url_type_label,
        -- An open is a hit on URL 1, whatever else is known of it (spec 0.2, rule 2).
        case when linked.url_id = 1 then 'open' else coalesce(url_types.event_type, 'unknown') end as event_type
    from linked
    left join url_types on linked.url_type = url_types.code
),

with_parameters as (
    select
        typed.*,
        case when typed.event_type = 'transaction' then ops.url_parameter(typed.parameters, 'amount') end as amount_text,
        case when typed.event_type = 'transaction' then ops.url_parameter(typed.parameters, 'article') end as article_text
    from typed
)

select
    event_id,
    delivery_id,
    message_id,
    recipient_id,
    url_id,
    person_id,
    event_type,
    url_type,
    url_type_label,
    url_label,
    url_category,
    browser,
    operating_system,
    device,
    trim_scale(extract(epoch from occurred_at - sent_at)) as seconds_since_sent,
    -- numeric holds 16 383 digits after the point; a log line may have more.
    case when amount_text ~ '^[0-9]{1,15}(\.[0-9]+)?$' then trim_scale(left(amount_text, 16000)::numeric) end as transaction_amount,
    case when article_text ~ '^[0-9]{1,9}$' then article_text::integer end as article_count,
    is_known_delivery,
    is_known_message,
    is_known_url,
    true as is_counted,
    occurred_at
from with_parameters
