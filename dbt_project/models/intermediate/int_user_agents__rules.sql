{{ config(materialized='stable_view') }}

with user_agents as (
    select * from {{ ref('stg_tracking__user_agents') }}
),

machine_agents as (
    select * from {{ ref('machine_agents') }}
),

named as (
    select
        user_agents.user_agent_id,
        min(machine_agents.rule) as agent_rule
    from user_agents
    inner join machine_agents on user_agents.user_agent ilike machine_agents.pattern
    group by user_agents.user_agent_id
)

-- Lists of crawlers hold image proxies too: what is named as one is judged as one.
select
    user_agents.user_agent_id,
    case
        when user_agents.user_agent = '' then 'no_agent'
        when named.agent_rule is not null then named.agent_rule
        when user_agents.is_crawler then 'crawler_agent'
    end as agent_rule
from user_agents
left join named on user_agents.user_agent_id = named.user_agent_id
