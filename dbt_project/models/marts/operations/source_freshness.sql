with loads as (
    select * from {{ source('ops', 'file_ledger') }}
    where kind = 'tracking_log' and status = 'loaded'
),

sources as (
    select * from {{ source('ops', 'sources') }}
),

id_ranges as (
    select * from {{ source('ops', 'id_ranges') }}
),

-- Gaps are looked for per source, server and prefix (design: a jump of more than a million is a new numbering).
gaps as (
    select
        source_id,
        server,
        sum(ops.missing_id_count(loaded_ids + other_ids))::bigint as gap_count
    from id_ranges
    group by source_id, server
),

pulls as (
    select
        source_id,
        server,
        max(newest_event_at) as newest_event_at,
        -- A replay moves lines from rejected to accepted and reads none.
        max(pulled_at) filter (where rejected_count >= 0) as loaded_at,
        sum(rejected_count)::bigint as rejected_count
    from loads
    group by source_id, server
)

select
    sources.source,
    pulls.server,
    coalesce(gaps.gap_count, 0) as gap_count,
    pulls.rejected_count,
    pulls.newest_event_at,
    pulls.loaded_at
from pulls
inner join sources on pulls.source_id = sources.source_id
left join gaps on pulls.source_id = gaps.source_id and pulls.server = gaps.server
