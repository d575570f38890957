{{ config(materialized='stable_view') }}

with events as (
    select * from {{ ref('stg_tracking__events') }}
    where {{ is_touched('delivery_id') }}
),

-- Message 0 is no message: its opens are no duplicates of each other.
opens as (
    select
        event_id,
        occurred_at,
        ops.last_kept_open(occurred_at, interval '{{ var("duplicate_open_seconds") }} seconds') over (
            partition by delivery_id, message_id
            order by occurred_at, source collate "C", prefix, counter
            rows between unbounded preceding and 1 preceding
        ) as last_kept_open_at
    from events
    where url_id = 1 and message_id <> 0
),

duplicates as (
    select event_id
    from opens
    where occurred_at < last_kept_open_at + interval '{{ var("duplicate_open_seconds") }} seconds'
)

select
    events.event_id,
    events.delivery_id,
    events.message_id,
    events.url_id,
    events.person_id,
    events.parameters,
    events.browser,
    events.operating_system,
    events.device,
    events.occurred_at,
    duplicates.event_id is not null as is_duplicate_open
from events
left join duplicates on events.event_id = duplicates.event_id
