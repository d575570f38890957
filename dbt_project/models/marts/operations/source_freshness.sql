with source_freshness as (
    select * from {{ source('ops', 'source_freshness') }}
)

select
    source,
    server,
    gap_count,
    rejected_count,
    newest_event_at,
    loaded_at,
    lag_seconds
from source_freshness
