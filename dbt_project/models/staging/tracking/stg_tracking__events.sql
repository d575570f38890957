with events as (
    select * from {{ source('raw', 'events') }}
),

sources as (
    select * from {{ source('ops', 'sources') }}
),

user_agents as (
    select * from {{ source('raw', 'user_agents') }}
),

person_key as (
    select * from {{ source('ops', 'person_key') }}
)

select
    sources.source || ':' || events.prefix::text || '0x' || upper(lpad(to_hex(events.counter), 16, '0')) as event_id,
    events.load_id,
    events.delivery_id,
    events.message_id,
    events.url_id,
    -- UUIDs are compared without regard to case (spec 8.9); an empty one is nobody.
    case
        when events.requester_uuid <> ''
            then encode(
                substring(
                    sha256((select person_key.key from person_key) || convert_to(lower(events.requester_uuid), 'UTF8'))
                    from 1 for 16
                ),
                'hex'
            )::uuid
    end as person_id,
    sources.source,
    events.prefix,
    events.parameters,
    user_agents.browser,
    user_agents.operating_system,
    user_agents.device,
    events.counter,
    events.occurred_at
from events
inner join sources on events.source_id = sources.source_id
inner join user_agents on events.user_agent_id = user_agents.user_agent_id
where {{ is_in_window('events.load_id') }}
