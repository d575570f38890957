{{ config(
    unique_key=['delivery_id', 'operating_system', 'device', 'browser'],
    meta={'gone': 'open_count = 0 and human_open_count = 0'}
) }}
{%- set is_full = is_full_build() -%}

with changes as (
    {{ changes_of('int_tracking_events__judged', is_full) }}
),

user_agents as (
    select * from {{ ref('int_user_agents__families') }}
),

by_user_agent as (
    select
        delivery_id,
        user_agent_id,
        sum(change) filter (where is_counted) as open_count,
        sum(change) filter (where human_is_counted) as human_open_count
    from changes
    where (is_counted or human_is_counted) and event_type = 'open' and is_known_delivery
    group by delivery_id, user_agent_id
),

-- Whether it is mobile is said by the device: it comes along and tells no rows apart.
added as (
    select
        by_user_agent.delivery_id,
        user_agents.operating_system,
        user_agents.device,
        user_agents.browser,
        user_agents.is_mobile,
        sum(by_user_agent.open_count) as open_count,
        sum(by_user_agent.human_open_count) as human_open_count
    from by_user_agent
    inner join user_agents on by_user_agent.user_agent_id = user_agents.user_agent_id
    group by
        by_user_agent.delivery_id, user_agents.operating_system, user_agents.device, user_agents.browser, user_agents.is_mobile
)

{{ add_to_live(
    'added',
    ['delivery_id', 'operating_system', 'device', 'browser', 'is_mobile'],
    {'open_count': 'bigint', 'human_open_count': 'bigint'},
    is_full
) }}
