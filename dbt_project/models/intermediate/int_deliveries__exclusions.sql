{{ config(
    materialized='versioned',
    unique_key=['delivery_id', 'reason'],
    meta={'gone': 'exclusion_count = 0'}
) }}
{%- set is_full = is_full_build() -%}

with changes as (
    select * from {{ ref('stg_delivery_data__exclusion_changes') }}
    where {{ is_new('load_id', is_full) }}
),

added as (
    select
        delivery_id,
        reason,
        sum(added_count) as exclusion_count
    from changes
    group by delivery_id, reason
    -- Other versions of the same exclusions change nothing.
    having sum(added_count) <> 0
)

{{ add_to_live('added', ['delivery_id', 'reason'], {'exclusion_count': 'bigint'}, is_full) }}
