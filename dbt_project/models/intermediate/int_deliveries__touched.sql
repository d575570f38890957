{{ config(materialized='versioned', unique_key=['delivery_id']) }}

with events as (
    select * from {{ ref('stg_tracking__events') }}
),

changes as (
    select * from {{ ref('stg_delivery_data__changes') }}
),

new_loads as (
    select * from {{ ref('stg_operations__new_loads') }}
)

select events.delivery_id
from events
where events.load_id = any(array(select new_loads.load_id from new_loads))
union
select changes.delivery_id
from changes
where
    changes.load_id = any(array(select new_loads.load_id from new_loads))
    and changes.delivery_id is not null
