{{ config(
    unique_key=['delivery_id', 'category'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with url_clicks as (
    select * from {{ ref('url_clicks') }}
    where {{ is_touched('delivery_id') }}
),

added_up as (
    select
        delivery_id,
        category,
        sum(click_count)::bigint as click_count,
        sum(human_click_count)::bigint as human_click_count
    from url_clicks
    group by delivery_id, category
)

select
    delivery_id,
    category,
    click_count,
    {{ rate('click_count', 'sum(click_count) over (partition by delivery_id)') }} as click_share,
    (row_number() over (partition by delivery_id order by click_count desc, category collate "C" asc))::integer as rank,
    human_click_count,
    {{ rate('human_click_count', 'sum(human_click_count) over (partition by delivery_id)') }} as human_click_share,
    (row_number() over (partition by delivery_id order by human_click_count desc, category collate "C" asc))::integer as human_rank
from added_up
