{{ config(materialized='stable_view') }}
{%- set is_full = is_full_build() -%}
{%- set logged = [
    'delivery_id', 'message_id', 'url_id', 'user_agent_id', 'person_id', 'source_id', 'prefix', 'counter', 'occurred_at',
    'logged_amount', 'logged_article', 'requester_network'
] -%}

with new_events as (
    select * from {{ ref('stg_tracking__events') }}
    where {{ is_new('load_id', is_full) }}
),

sources as (
    select * from {{ ref('stg_operations__sources') }}
),

deliveries as (
    select * from {{ ref('stg_delivery_data__deliveries') }}
    where {{ is_touched('delivery_id') }}
),

messages as (
    select * from {{ ref('stg_delivery_data__messages') }}
    where {{ is_touched_message(is_full) }} and message_id <> 0
),

tracked_urls as (
    select * from {{ ref('stg_delivery_data__tracked_urls') }}
    where {{ is_touched('delivery_id') }}
),

refusals as (
    select * from {{ ref('int_recipients__refusals') }}
),

message_statuses as (
    select * from {{ ref('message_statuses') }}
),

url_types as (
    select * from {{ ref('url_types') }}
),

-- What is new, and what was kept of the messages that it touches: what the log says is not read again.
events as (
    select {{ logged | join(', ') }}
    from new_events
    {%- if not is_full %}
        union all
        select {{ logged | join(', ') }}
        from {{ live_rows('int_tracking_events__judged') }} as live_events
        where {{ is_touched_message(is_full) }}
    {%- endif %}
),

named as (
    select
        events.*,
        sources.source
    from events
    inner join sources on events.source_id = sources.source_id
),

-- Every join is on (delivery, id): a message or URL of another delivery is unknown in this one.
linked as (
    select
        named.*,
        deliveries.delivery_id is not null as is_known_delivery,
        -- Proofs and templates are in no total above a delivery.
        not coalesce(deliveries.is_proof or deliveries.is_model, true) as is_in_totals,
        messages.message_id is not null as is_known_message,
        tracked_urls.url_id is not null or named.url_id = 1 as is_known_url,
        refusals.recipient_id is not null as is_withdrawn,
        coalesce(messages.recipient_id, 0) as recipient_id,
        case when named.url_id = 1 then 2 else tracked_urls.url_type end as url_type,
        case when named.url_id = 1 then 'Open' else coalesce(tracked_urls.label, '') end as url_label,
        case when named.url_id = 1 then '' else coalesce(tracked_urls.category, '') end as url_category,
        coalesce(case when message_statuses.is_success then messages.event_at end, deliveries.contact_at) as sent_at
    from named
    left join deliveries on named.delivery_id = deliveries.delivery_id
    left join messages on named.delivery_id = messages.delivery_id and named.message_id = messages.message_id
    left join refusals
        on
            messages.recipient_id = refusals.recipient_id
            and named.occurred_at >= refusals.refused_at
            and named.occurred_at < refusals.ended_at
    left join message_statuses on messages.status = message_statuses.code
    left join tracked_urls on named.delivery_id = tracked_urls.delivery_id and named.url_id = tracked_urls.url_id
),

typed as (
    select
        linked.*,
        -- An open is a hit on URL 1, whatever else is known of it (spec 0.2, rule 2).
        case when linked.url_id = 1 then 'open' else coalesce(url_types.event_type, 'unknown') end as event_type,
        coalesce(url_types.label, '') as url_type_label
    from linked
    left join url_types on linked.url_type = url_types.code
)

select
    delivery_id,
    message_id,
    recipient_id,
    url_id,
    occurred_at,
    counter,
    person_id,
    user_agent_id,
    url_type,
    logged_article,
    source_id,
    source,
    prefix,
    is_known_delivery,
    is_known_message,
    is_known_url,
    is_in_totals,
    is_withdrawn,
    event_type,
    url_type_label,
    url_label,
    url_category,
    trim_scale(extract(epoch from occurred_at - sent_at)) as seconds_since_sent,
    logged_amount,
    requester_network
from typed
