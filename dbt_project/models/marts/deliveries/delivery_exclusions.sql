{{ config(
    unique_key=['delivery_id', 'reason'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with deliveries as (
    select * from {{ ref('stg_delivery_data__deliveries') }}
    where {{ is_touched('delivery_id') }}
),

exclusions as (
    select * from {{ ref('int_deliveries__exclusions') }}
    where {{ is_touched('delivery_id') }}
),

exclusion_reasons as (
    select * from {{ ref('exclusion_reasons') }}
)

select
    exclusions.delivery_id,
    exclusions.reason,
    coalesce(exclusion_reasons.label, '') as reason_label,
    exclusions.exclusion_count,
    {{ rate('exclusions.exclusion_count', 'sum(exclusions.exclusion_count) over of_delivery') }} as exclusion_share
from exclusions
inner join deliveries on exclusions.delivery_id = deliveries.delivery_id
left join exclusion_reasons on exclusions.reason = exclusion_reasons.code
window of_delivery as (partition by exclusions.delivery_id)
