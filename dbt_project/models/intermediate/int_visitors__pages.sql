{{ config(
    materialized='versioned',
    unique_key=['activity_date', 'visitor_id', 'user_agent_id'],
    meta={'gone': 'page_count = 0'}
) }}
{%- set is_full = is_full_build() -%}

with changes as (
    {{ changes_of('int_tracking_events__judged', is_full) }}
),

-- Who has no UUID is told apart by the message; message 0 is no message.
added as (
    select
        {{ reporting_time('occurred_at') }}::date as activity_date,
        coalesce(person_id, md5(delivery_id || ':' || message_id)::uuid) as visitor_id,
        user_agent_id,
        sum(change) filter (where event_type = 'click') as click_count,
        sum(change) as page_count,
        sum(change) filter (where human_is_counted and event_type = 'click') as human_click_count,
        sum(change) filter (where human_is_counted) as human_page_count
    from changes
    where
        is_counted
        and is_in_totals
        and event_type in ('click', 'web', 'transaction')
        and (person_id is not null or message_id <> 0)
    group by activity_date, visitor_id, user_agent_id
)

{{ add_to_live(
    'added',
    ['activity_date', 'visitor_id', 'user_agent_id'],
    {'click_count': 'bigint', 'page_count': 'bigint', 'human_click_count': 'bigint', 'human_page_count': 'bigint'},
    is_full
) }}
