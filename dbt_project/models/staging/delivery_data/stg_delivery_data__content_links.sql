with contents as (
    select * from {{ source('raw', 'contents') }}
),

current_contents as (
    {{ current_versions('contents') }}
),

content_links as (
    select * from {{ source('raw', 'content_links') }}
)

select
    content_links.delivery_id,
    content_links.content_part,
    content_links.source_url,
    content_links.link_count
from content_links
-- A load is of one file, so it brings one body at most.
inner join current_contents on content_links.load_id = current_contents.load_id
