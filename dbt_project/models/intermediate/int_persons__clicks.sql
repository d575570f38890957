{{ config(
    materialized='versioned',
    unique_key=['delivery_id', 'person_id', 'domain'],
    meta={'gone': 'click_count = 0'}
) }}
{%- set is_full = is_full_build() -%}

with events as (
    {{ event_changes_by_domain(['person_id', 'event_type', 'is_counted', 'human_is_counted'], is_full) }}
),

-- The empty UUID is nobody.
added as (
    select
        delivery_id,
        person_id,
        domain,
        sum(change) as click_count,
        sum(change) filter (where human_is_counted) as human_click_count
    from events
    where is_counted and event_type = 'click' and person_id is not null
    group by delivery_id, person_id, domain
)

{{ add_to_live(
    'added',
    ['delivery_id', 'person_id', 'domain'],
    {'click_count': 'bigint', 'human_click_count': 'bigint'},
    is_full
) }}
