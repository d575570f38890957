{{ config(materialized='stable_view') }}

with events as (
    select * from {{ ref('int_tracking_events__linked') }}
),

user_agents as (
    select * from {{ ref('int_user_agents__rules') }}
),

machine_networks as (
    select * from {{ ref('machine_networks') }}
),

-- Links of the mail itself: pages of a web site follow each other as fast as it sends them on. What was done while consent was
-- withdrawn says nothing of other events.
spaced as (
    select
        *,
        occurred_at - lag(occurred_at) over (
            partition by delivery_id, message_id, requester_network
            order by occurred_at, source collate "C", prefix, counter
        ) <= {{ seconds('burst_gap_seconds') }} as follows_closely
    from events
    where
        event_type in ('click', 'opt_out', 'mirror_page')
        and not is_withdrawn
        and message_id <> 0
        and requester_network is not null
),

runs as (
    select
        *,
        count(*) filter (where not coalesce(follows_closely, false)) over (
            partition by delivery_id, message_id, requester_network
            order by occurred_at, source collate "C", prefix, counter
        ) as run
    from spaced
),

-- The number of a run's distinct links is the greatest of their ranks.
ranked as (
    select
        *,
        dense_rank() over (partition by delivery_id, message_id, requester_network, run order by url_id) as link_rank,
        bool_or(event_type = 'opt_out') over (partition by delivery_id, message_id, requester_network, run) as has_opt_out
    from runs
),

bursts as (
    select
        delivery_id,
        message_id,
        source_id,
        prefix,
        counter,
        max(link_rank) over (partition by delivery_id, message_id, requester_network, run) as link_count,
        has_opt_out
    from ranked
)

select
    events.delivery_id,
    events.message_id,
    events.recipient_id,
    events.url_id,
    events.occurred_at,
    events.counter,
    events.person_id,
    events.user_agent_id,
    events.url_type,
    events.logged_article,
    events.source_id,
    events.source,
    events.prefix,
    events.is_known_delivery,
    events.is_known_message,
    events.is_known_url,
    events.is_in_totals,
    events.is_withdrawn,
    events.event_type,
    events.url_type_label,
    events.url_label,
    events.url_category,
    events.seconds_since_sent,
    events.logged_amount,
    events.requester_network,
    {{ rules_that_spoke({
        'crawler_agent': "user_agents.agent_rule = 'crawler_agent'",
        'image_proxy_agent': "user_agents.agent_rule = 'image_proxy_agent'",
        'prefetch_agent': "user_agents.agent_rule = 'prefetch_agent'",
        'no_agent': "user_agents.agent_rule = 'no_agent'",
        'machine_network': 'events.url_id <> 1 and events.requester_network <<= any(array(select machine_networks.network from machine_networks))',
        'image_proxy_network': 'events.url_id = 1 and events.requester_network <<= any(array(select machine_networks.network from machine_networks where machine_networks.fetches_images))',
        'soon_after_delivery': "events.url_id <> 1 and events.seconds_since_sent < " ~ var('soon_after_delivery_seconds'),
        'link_pair': 'bursts.link_count = 2',
        'link_burst': "bursts.link_count > 2 and bursts.link_count < " ~ var('sweep_links'),
        'link_sweep': "bursts.link_count >= " ~ var('sweep_links'),
        'opt_out_in_burst': 'bursts.link_count > 1 and bursts.has_opt_out',
        'lure_link': "events.is_known_url and events.url_category = '" ~ var('lure_category') ~ "'",
    }) }} as actor_rules
from events
left join user_agents on events.user_agent_id = user_agents.user_agent_id
left join bursts
    on
        events.delivery_id = bursts.delivery_id
        and events.message_id = bursts.message_id
        and events.source_id = bursts.source_id
        and events.prefix = bursts.prefix
        and events.counter = bursts.counter
