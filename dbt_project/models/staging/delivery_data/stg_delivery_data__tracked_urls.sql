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
from {{ source('raw', 'tracked_urls') }} as tracked_urls
where {{ is_current_version('tracked_urls') }}
