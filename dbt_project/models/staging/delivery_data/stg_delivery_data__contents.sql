select
    delivery_id,
    load_id,
    content_part
from {{ source('raw', 'contents') }} as contents
where {{ is_current_version('contents') }}
