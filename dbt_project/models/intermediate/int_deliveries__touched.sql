{{ config(materialized='candidate_table', unique_key=['delivery_id']) }}
{%- set is_full = is_full_build() -%}

with events as (
    select * from {{ ref('stg_tracking__events') }}
),

changes as (
    select * from {{ ref('stg_delivery_data__changes') }}
),

messages as (
    select * from {{ ref('int_messages__touched') }}
)

select delivery_id
from events
where {{ is_new('load_id', is_full) }}
union
select delivery_id
from changes
where {{ is_new('load_id', is_full) }} and delivery_id is not null
union
-- Of recipients who have chosen anew whether they are tracked.
select delivery_id
from messages
