select
    user_agent_id,
    user_agent,
    browser,
    operating_system,
    device,
    split_part(browser_version, '.', 1) as browser_version,
    split_part(operating_system_version, '.', 1) as operating_system_version,
    is_crawler
from {{ source('raw', 'user_agents') }}
