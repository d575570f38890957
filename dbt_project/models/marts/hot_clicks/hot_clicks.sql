{{ config(
    unique_key=['delivery_id', 'url_id'],
    meta={'scope': {'column': 'delivery_id', 'relation': 'int_deliveries__touched'}}
) }}

with url_clicks as (
    select * from {{ ref('url_clicks') }}
    where {{ is_touched('delivery_id') }}
),

tracked_urls as (
    select * from {{ ref('stg_delivery_data__tracked_urls') }}
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

-- The base of the share is every tracked URL of the delivery but the pixel: links that are not drawn count (spec 8.18).
shared as (
    select
        url_clicks.delivery_id,
        url_clicks.url_id,
        coalesce(tracked_urls.offer_id, 0) as offer_id,
        url_clicks.url_type,
        coalesce(tracked_urls.occurrence, 0) as occurrence,
        tracked_urls.content_part,
        url_clicks.label,
        url_clicks.source_url,
        url_clicks.click_count,
        url_clicks.click_share
    from url_clicks
    inner join tracked_urls on url_clicks.delivery_id = tracked_urls.delivery_id and url_clicks.url_id = tracked_urls.url_id
)

-- Links of offers, unsubscription and mirror page come from blocks and are not drawn (spec 4.5).
select
    shared.delivery_id,
    shared.url_id,
    shared.offer_id,
    shared.url_type,
    shared.occurrence,
    shared.content_part,
    shared.label,
    shared.source_url,
    shared.click_count,
    shared.click_share,
    case when contents.delivery_id is not null then coalesce(content_links.link_count, 0) > shared.occurrence end as is_in_body,
    shared.url_type = 1
    and shared.offer_id = 0
    and (contents.delivery_id is null or coalesce(content_links.link_count, 0) > shared.occurrence) as is_drawn
from shared
left join contents on shared.delivery_id = contents.delivery_id and shared.content_part = contents.content_part
left join content_links
    on
        shared.delivery_id = content_links.delivery_id
        and shared.content_part = content_links.content_part
        and shared.source_url = content_links.source_url
where shared.url_type in (1, 3, 6) or shared.offer_id <> 0
