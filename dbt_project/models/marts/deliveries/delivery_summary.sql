{{ config(
    unique_key=['delivery_id'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with deliveries as (
    select * from {{ ref('deliveries') }}
    where {{ is_touched('delivery_id') }}
),

described as (
    select * from {{ ref('stg_delivery_data__deliveries') }}
    where {{ is_touched('delivery_id') }}
)

select
    deliveries.delivery_id,
    deliveries.target_count,
    described.rejected_count,
    {{ rate('described.rejected_count', 'deliveries.target_count') }} as rejected_rate,
    deliveries.to_deliver_count,
    deliveries.success_count,
    {{ rate('deliveries.success_count', 'deliveries.to_deliver_count') }} as success_rate,
    deliveries.error_count,
    {{ rate('deliveries.error_count', 'deliveries.to_deliver_count') }} as error_rate,
    described.new_quarantine_count,
    {{ rate('described.new_quarantine_count', 'deliveries.to_deliver_count') }} as new_quarantine_rate
from deliveries
inner join described on deliveries.delivery_id = described.delivery_id
