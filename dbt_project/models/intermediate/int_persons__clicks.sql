{{ config(
    materialized='versioned',
    unique_key=['delivery_id', 'person_id', 'domain'],
    meta={'gone': 'click_count = 0'}
) }}
{%- set is_full = is_full_build() -%}

with events as (
    {{ changes_by_message('int_tracking_events__judged', ['person_id', 'event_type', 'is_counted', 'human_is_counted'], is_full) }}
),

messages as (
    {{ changes_by_message('message_engagement', ['domain'], is_full) }}
),

-- The empty UUID is nobody.
added as (
    select
        events.delivery_id,
        events.person_id,
        coalesce(messages.domain, 'Others') as domain,
        sum(events.change) as click_count,
        sum(events.change) filter (where events.human_is_counted) as human_click_count
    from events
    left join messages
        on
            events.change = messages.change
            and events.delivery_id = messages.delivery_id
            and events.message_id = messages.message_id
    where events.is_counted and events.event_type = 'click' and events.person_id is not null
    group by events.delivery_id, events.person_id, coalesce(messages.domain, 'Others')
)

{{ add_to_live(
    'added',
    ['delivery_id', 'person_id', 'domain'],
    {'click_count': 'bigint', 'human_click_count': 'bigint'},
    is_full
) }}
