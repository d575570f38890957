{{ config(materialized='candidate_table', unique_key=['delivery_id', 'message_id']) }}
{%- set is_full = is_full_build() -%}
{%- set consents = ref('stg_delivery_data__consents') -%}

with events as (
    select * from {{ ref('stg_tracking__events') }}
    where {{ is_new('load_id', is_full) }}
),

changes as (
    select * from {{ ref('stg_delivery_data__changes') }}
    where {{ is_new('load_id', is_full) }} and delivery_id is not null
),

messages as (
    select * from {{ ref('stg_delivery_data__messages') }}
),

changed_deliveries as (
    select delivery_id
    from changes
    where is_seen_in_events
),

-- Message 0 is no message, and nothing that comes in changes its other events; the delivery's reference data does.
touched as (
    select
        delivery_id,
        message_id
    from events
    where message_id <> 0
    union
    select
        delivery_id,
        message_id
    from changes
    where message_id <> 0
    union
    select
        delivery_id,
        message_id
    from messages
    where delivery_id in (select changed_deliveries.delivery_id from changed_deliveries)
    {%- if not is_full %}
        union
        select
            delivery_id,
            message_id
        from {{ live_rows('int_tracking_events__judged') }} as live_events
        where delivery_id in (select changed_deliveries.delivery_id from changed_deliveries)
        union
        -- Of whoever has chosen anew, what they did from then on.
        select
            live_events.delivery_id,
            live_events.message_id
        from {{ live_rows('int_tracking_events__judged') }} as live_events
        inner join (
            select
                consents.recipient_id,
                min(consents.effective_at) as chosen_at
            from {{ consents }} as consents
            where {{ is_new('consents.load_id', is_full) }} and consents.purpose = '{{ var('consent_purpose') }}'
            group by consents.recipient_id
        ) as choices on live_events.recipient_id = choices.recipient_id and live_events.occurred_at >= choices.chosen_at
        where live_events.recipient_id <> 0
    {%- endif %}
)

select
    delivery_id,
    message_id
from touched
-- Of a full build everything is touched, so nothing is listed.
where {{ 'false' if is_full else 'true' }}
