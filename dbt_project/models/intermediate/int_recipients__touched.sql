{{ config(materialized='stable_view') }}

with recipients as (
    select * from {{ ref('stg_delivery_data__recipients') }}
),

new_loads as (
    select * from {{ ref('stg_operations__new_loads') }}
)

select recipients.recipient_id
from recipients
where recipients.load_id = any(array(select new_loads.load_id from new_loads))
