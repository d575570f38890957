{{ config(
    materialized='versioned',
    unique_key=['delivery_id', 'person_id'],
    meta={'gone': 'click_count = 0'}
) }}
{%- set is_full = is_full_build() -%}

with changes as (
    {{ changes_of('int_tracking_events__judged', is_full) }}
),

-- The empty UUID is nobody.
added as (
    select
        delivery_id,
        person_id,
        sum(change) as click_count
    from changes
    where is_counted and event_type = 'click' and person_id is not null
    group by delivery_id, person_id
)

{{ add_to_live('added', ['delivery_id', 'person_id'], {'click_count': 'bigint'}, is_full) }}
