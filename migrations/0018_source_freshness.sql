-- How far each server's logs have been read, for `message-tracking status`, engineers and the mart of the same name.

create view ops.source_freshness as
with gaps as (
    -- Gaps are looked for per source, server and prefix.
    select
        source_id,
        server,
        sum(ops.missing_id_count(loaded_ids + other_ids))::bigint as gap_count
    from ops.id_ranges
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
    from ops.file_ledger
    where kind = 'tracking_log' and status = 'loaded'
    group by source_id, server
)

select
    sources.source,
    pulls.server,
    coalesce(gaps.gap_count, 0) as gap_count,
    pulls.rejected_count,
    pulls.newest_event_at,
    pulls.loaded_at,
    extract(epoch from now() - pulls.newest_event_at) as lag_seconds
from pulls
inner join ops.sources as sources on pulls.source_id = sources.source_id
left join gaps on pulls.source_id = gaps.source_id and pulls.server = gaps.server;

comment on view ops.source_freshness is
'One row per source and tracking server. `lag_seconds` is the age of the newest event at the moment of asking.';
