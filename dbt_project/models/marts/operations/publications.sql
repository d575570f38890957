with publications as (
    select * from {{ source('ops', 'publications') }}
),

publication_state as (
    select * from {{ source('ops', 'publication_state') }}
)

select
    publications.publication_id,
    publications.status,
    publications.verdict,
    publications.event_count,
    publications.publication_id = publication_state.live_publication as is_live,
    publications.is_kept,
    publications.published_at
from publications
cross join publication_state
where publications.status in ('published', 'refused', 'rolled_back')
