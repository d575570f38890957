{{ config(
    unique_key=['delivery_id', 'url_id'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with url_clicks as (
    select * from {{ ref('url_clicks') }}
    where {{ is_touched('delivery_id') }}
),

contents as (
    select * from {{ ref('stg_delivery_data__contents') }}
    where {{ is_touched('delivery_id') }}
),

content_links as (
    select * from {{ ref('stg_delivery_data__content_links') }}
    where {{ is_touched('delivery_id') }}
),

placed as (
    select
        url_clicks.*,
        case when contents.delivery_id is not null then coalesce(content_links.link_count, 0) > url_clicks.occurrence end as is_in_body
    from url_clicks
    left join contents on url_clicks.delivery_id = contents.delivery_id and url_clicks.content_part = contents.content_part
    left join content_links
        on
            url_clicks.delivery_id = content_links.delivery_id
            and url_clicks.content_part = content_links.content_part
            and url_clicks.source_url = content_links.source_url
    where url_clicks.url_type in (1, 3, 6) or url_clicks.offer_id <> 0
)

-- Links of offers, unsubscription and mirror page come from blocks and are not drawn (spec 4.5). The base of the share is
-- every tracked URL of the delivery but the pixel, also those that are not drawn (spec 8.18).
select
    delivery_id,
    url_id,
    offer_id,
    url_type,
    occurrence,
    content_part,
    label,
    source_url,
    click_count,
    click_share,
    is_in_body,
    coalesce(url_type = 1 and offer_id = 0 and is_in_body is not false, false) as is_drawn,
    human_click_count,
    human_click_share
from placed
