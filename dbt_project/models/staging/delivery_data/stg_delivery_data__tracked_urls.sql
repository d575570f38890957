with tracked_urls as (
    select * from {{ source('raw', 'tracked_urls') }}
),

current_tracked_urls as (
    {{ current_versions('tracked_urls') }}
)

select
    url_id,
    delivery_id,
    offer_id,
    -- A link without a label is shown by its address (spec 3.3).
    coalesce(nullif(label, ''), source_url) as label,
    category,
    source_url,
    content_part,
    type as url_type,
    occurrence
from current_tracked_urls
