{{ config(materialized='stable_view') }}

with user_agents as (
    select * from {{ ref('stg_tracking__user_agents') }}
),

browser_families as (
    select * from {{ ref('browser_families') }}
),

operating_system_families as (
    select * from {{ ref('operating_system_families') }}
),

device_families as (
    select * from {{ ref('device_families') }}
),

image_proxies as (
    select * from {{ ref('image_proxies') }}
),

-- What an image proxy says of browser and system is made up (Gmail's claims Firefox 11 on Windows XP), so it says nothing.
said as (
    select
        user_agent_id,
        nullif(browser, '') as browser,
        nullif(operating_system, '') as operating_system,
        nullif(device, '') as device,
        browser_version,
        operating_system_version
    from user_agents
    where
        not exists (
            select from image_proxies
            where strpos(user_agents.user_agent, image_proxies.marker) > 0
        )
)

-- Versions of what is in no family would be those of many products.
select
    user_agents.user_agent_id,
    coalesce(browser_families.family, case when said.browser is null then 'Unknown' else 'Others' end) as browser,
    case when browser_families.family is null then '' else said.browser_version end as browser_version,
    coalesce(
        operating_system_families.family, case when said.operating_system is null then 'Unknown' else 'Others' end
    ) as operating_system,
    case when operating_system_families.family is null then '' else said.operating_system_version end as operating_system_version,
    coalesce(
        device_families.family, case when coalesce(said.operating_system, said.device) is null then 'Unknown' else 'Others' end
    ) as device,
    coalesce(device_families.is_mobile, false) as is_mobile
from user_agents
left join said on user_agents.user_agent_id = said.user_agent_id
left join browser_families on said.browser = browser_families.browser
left join operating_system_families on said.operating_system = operating_system_families.operating_system
left join device_families on coalesce(operating_system_families.device, said.device) = device_families.device
