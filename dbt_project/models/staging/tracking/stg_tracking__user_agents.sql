with user_agents as (
    select * from {{ source('raw', 'user_agents') }}
)

select
    user_agent_id,
    browser,
    operating_system,
    device
from user_agents
