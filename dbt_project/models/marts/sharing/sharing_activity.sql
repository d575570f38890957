{{ config(
    unique_key=['delivery_id', 'network'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with deliveries as (
    select * from {{ ref('deliveries') }}
    where {{ is_touched('delivery_id') }}
),

url_category_clicks as (
    select * from {{ ref('url_category_clicks') }}
    where {{ is_touched('delivery_id') }}
),

sharing_networks as (
    select * from {{ ref('sharing_networks') }}
),

shared as (
    select
        deliveries.delivery_id,
        deliveries.to_deliver_count,
        sharing_networks.network,
        coalesce(sum(url_category_clicks.click_count), 0)::bigint as share_count,
        coalesce(sum(url_category_clicks.human_click_count), 0)::bigint as human_share_count
    from deliveries
    cross join sharing_networks
    left join url_category_clicks
        on deliveries.delivery_id = url_category_clicks.delivery_id and sharing_networks.category = url_category_clicks.category
    group by deliveries.delivery_id, deliveries.to_deliver_count, sharing_networks.network
)

select
    delivery_id,
    network,
    share_count,
    {{ rate('share_count', 'sum(share_count) over (partition by delivery_id)') }} as share_breakdown_rate,
    {{ rate('share_count', 'to_deliver_count') }} as sharing_rate,
    human_share_count,
    {{ rate('human_share_count', 'sum(human_share_count) over (partition by delivery_id)') }} as human_share_breakdown_rate,
    {{ rate('human_share_count', 'to_deliver_count') }} as human_sharing_rate
from shared
