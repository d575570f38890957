{{ config(materialized='stable_view') }}

with events as (
    select * from {{ ref('stg_tracking__events') }}
    where {{ is_touched('delivery_id') }}
),

-- Message 0 is no message: its opens are no duplicates of each other.
opens as (
    select
        *,
        ops.last_kept_open(occurred_at, interval '{{ var("duplicate_open_seconds") }} seconds') over (
            partition by delivery_id, message_id
            order by occurred_at, source collate "C", prefix, counter
            rows between unbounded preceding and 1 preceding
        ) as last_kept_open_at
    from events
    where url_id = 1 and message_id <> 0
),

judged as (
    select * from opens
    union all
    select
        *,
        null as last_kept_open_at
    from events
    where url_id <> 1 or message_id = 0
)

select
    event_id,
    delivery_id,
    message_id,
    url_id,
    person_id,
    parameters,
    browser,
    operating_system,
    device,
    occurred_at,
    coalesce(occurred_at < last_kept_open_at + interval '{{ var("duplicate_open_seconds") }} seconds', false) as is_duplicate_open
from judged
