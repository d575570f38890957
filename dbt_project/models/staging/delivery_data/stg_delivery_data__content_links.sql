select
    content_links.delivery_id,
    content_links.content_part,
    content_links.source_url,
    content_links.link_count
from {{ source('raw', 'content_links') }} as content_links
-- A load is of one file, so it brings one body at most.
inner join {{ source('raw', 'contents') }} as contents on content_links.load_id = contents.load_id
where {{ is_current_version('contents') }}
