with contents as (
    select * from {{ source('raw', 'contents') }}
),

current_contents as (
    {{ current_versions('contents') }}
)

select
    delivery_id,
    load_id,
    content_part
from current_contents
