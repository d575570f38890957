with contents as (
    select * from {{ source('raw', 'contents') }}
)

select
    delivery_id,
    load_id,
    content_part
from contents
where {{ is_current_version('contents') }}
