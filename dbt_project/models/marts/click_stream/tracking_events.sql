-- Sources and user agents never change, and are not looked up by who does not ask for them.
select
    sources.source || ':' || events.prefix::text || '0x' || upper(lpad(to_hex(events.counter), 16, '0')) as event_id,
    events.delivery_id,
    events.message_id,
    events.recipient_id,
    events.url_id,
    events.person_id,
    events.event_type,
    events.url_type,
    events.url_type_label,
    events.url_label,
    events.url_category,
    user_agents.browser,
    user_agents.operating_system,
    user_agents.device,
    events.seconds_since_sent,
    case when events.event_type = 'transaction' then events.logged_amount end as transaction_amount,
    case when events.event_type = 'transaction' then events.logged_article end as article_count,
    events.is_known_delivery,
    events.is_known_message,
    events.is_known_url,
    events.is_counted,
    events.occurred_at,
    events.human_is_counted,
    {{ actor_class_of('events.actor_class') }} as actor_class,
    {{ names_of('events.actor_rules') }} as actor_reason,
    events.actor_rules_version,
    {{ is_automatic('events.actor_class') }} as is_automatic
from {{ ref('int_tracking_events__judged') }} as events
left join {{ ref('stg_operations__sources') }} as sources on events.source_id = sources.source_id
left join {{ ref('stg_tracking__user_agents') }} as user_agents on events.user_agent_id = user_agents.user_agent_id
where events.is_counted or events.human_is_counted
