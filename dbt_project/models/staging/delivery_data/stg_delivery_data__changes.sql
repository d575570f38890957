-- A message or URL that moved to another delivery changes both: the superseded version names the one it left. Each branch reads
-- its table itself, so that whoever asks for some loads has them looked up.
with
-- Events show of their delivery when it was sent and whether it is in totals, and of their link what it is; another label
-- of a delivery changes none.
delivery_changes as (
    select
        new_version.delivery_id,
        new_version.load_id,
        old_version.delivery_id is null
        or (new_version.contact_at is distinct from old_version.contact_at)
        or (coalesce(new_version.is_proof, false) <> coalesce(old_version.is_proof, false))
        or (coalesce(new_version.is_model, false) <> coalesce(old_version.is_model, false)) as is_seen_in_events
    from {{ source('raw', 'deliveries') }} as new_version
    left join {{ source('raw', 'deliveries') }} as old_version
        on new_version.load_id = old_version.superseded_by_load_id and new_version.delivery_id = old_version.delivery_id
),

url_changes as (
    select
        named.delivery_id,
        new_version.load_id,
        old_version.url_id is null
        or (new_version.delivery_id is distinct from old_version.delivery_id)
        or (new_version.type is distinct from old_version.type)
        or (new_version.label, new_version.category, new_version.source_url)
        <> (old_version.label, old_version.category, old_version.source_url) as is_seen_in_events
    from {{ source('raw', 'tracked_urls') }} as new_version
    left join {{ source('raw', 'tracked_urls') }} as old_version
        on new_version.load_id = old_version.superseded_by_load_id and new_version.url_id = old_version.url_id
    cross join lateral (values (new_version.delivery_id), (old_version.delivery_id)) as named (delivery_id)
)

select
    delivery_id,
    null::bigint as message_id,
    load_id,
    is_seen_in_events
from delivery_changes
union all
select
    delivery_id,
    message_id,
    load_id,
    false as is_seen_in_events
from {{ source('raw', 'messages') }}
union all
select
    delivery_id,
    message_id,
    superseded_by_load_id as load_id,
    false as is_seen_in_events
from {{ source('raw', 'messages') }}
where superseded_by_load_id is not null
union all
select
    delivery_id,
    null as message_id,
    load_id,
    is_seen_in_events
from url_changes
where delivery_id is not null
union all
select
    delivery_id,
    null as message_id,
    load_id,
    false as is_seen_in_events
from {{ source('raw', 'contents') }}
union all
select
    delivery_id,
    null as message_id,
    load_id,
    false as is_seen_in_events
from {{ source('raw', 'exclusions') }}
