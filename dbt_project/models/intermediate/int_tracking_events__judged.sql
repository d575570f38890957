{{ config(
    materialized='versioned',
    unique_key=['delivery_id', 'message_id', 'source_id', 'prefix', 'counter'],
    indexes=[
        {'columns': ['delivery_id', 'occurred_at']},
        {'columns': ['recipient_id']},
    ],
    meta={
        'looked_up_by': ['message_id'],
        'scope': {'columns': ['delivery_id', 'message_id'], 'relation': 'int_messages__touched', 'appended': 'message_id = 0'},
    }
) }}
-- depends_on: {{ ref('int_messages__touched') }}

with events as (
    select * from {{ ref('int_tracking_events__observed') }}
),

weighed as (
    select
        *,
        case
            when url_id = 1 then {{ weight_of('actor_rules', 'open_weights') }}
            else {{ weight_of('actor_rules', 'click_weights') }}
        end as weight
    from events
),

-- Where one hit is a scanner's, so is what the same network does with the same message around it, whatever it looks like.
scans as (
    select
        delivery_id,
        message_id,
        requester_network,
        occurred_at
    from weighed
    where weight >= {{ var('scanner_weight') }} and message_id <> 0 and not is_withdrawn
),

beside_scans as (
    select distinct
        weighed.delivery_id,
        weighed.message_id,
        weighed.source_id,
        weighed.prefix,
        weighed.counter
    from weighed
    inner join scans
        on
            weighed.delivery_id = scans.delivery_id
            and weighed.message_id = scans.message_id
            and weighed.requester_network = scans.requester_network
    where
        weighed.weight < {{ var('scanner_weight') }}
        and weighed.occurred_at between scans.occurred_at - {{ seconds('beside_scan_seconds') }}
        and scans.occurred_at + {{ seconds('beside_scan_seconds') }}
),

classed as (
    select
        weighed.*,
        weighed.actor_rules
        | case when beside_scans.counter is null then 0 else {{ rule_bit('beside_scan') }} end::smallint as all_rules,
        case
            when weighed.weight >= {{ var('scanner_weight') }} or beside_scans.counter is not null then 's'
            when weighed.url_id = 1 and {{ has_spoken('prefetch_agent', 'weighed.actor_rules') }} then 'f'
            when
                weighed.url_id = 1
                and (
                    {{ has_spoken('image_proxy_agent', 'weighed.actor_rules') }}
                    or {{ has_spoken('image_proxy_network', 'weighed.actor_rules') }}
                )
                then 'i'
            when weighed.weight >= {{ var('unknown_weight') }} then 'u'
            else 'p'
        end::char as actor_class
    from weighed
    left join beside_scans
        on
            weighed.delivery_id = beside_scans.delivery_id
            and weighed.message_id = beside_scans.message_id
            and weighed.source_id = beside_scans.source_id
            and weighed.prefix = beside_scans.prefix
            and weighed.counter = beside_scans.counter
),

-- A machine's open never swallows a person's: those are looked at without it. Message 0 is no message: its opens are no
-- duplicates of each other.
opens as (
    select
        *,
        ops.last_kept_open(occurred_at, {{ seconds('duplicate_open_seconds') }}) over before as last_kept_open_at,
        ops.last_kept_open(occurred_at, {{ seconds('duplicate_open_seconds') }})
        filter (where not {{ is_automatic('actor_class') }}) over before as last_human_open_at
    from classed
    where url_id = 1 and message_id <> 0 and not is_withdrawn
    window before as (
        partition by delivery_id, message_id
        order by occurred_at, source collate "C", prefix, counter
        rows between unbounded preceding and 1 preceding
    )
),

placed as (
    select * from opens
    union all
    select
        *,
        null as last_kept_open_at,
        null as last_human_open_at
    from classed
    where url_id <> 1 or message_id = 0 or is_withdrawn
)

select
    delivery_id,
    message_id,
    recipient_id,
    url_id,
    occurred_at,
    counter,
    person_id,
    user_agent_id,
    url_type,
    logged_article,
    source_id,
    all_rules as actor_rules,
    {{ var('actor_rules_version') }}::smallint as actor_rules_version,
    prefix,
    actor_class,
    is_known_delivery,
    is_known_message,
    is_known_url,
    is_in_totals,
    is_withdrawn,
    not is_withdrawn
    and not coalesce(occurred_at < last_kept_open_at + {{ seconds('duplicate_open_seconds') }}, false) as is_counted,
    not is_withdrawn
    and not {{ is_automatic('actor_class') }}
    and not coalesce(occurred_at < last_human_open_at + {{ seconds('duplicate_open_seconds') }}, false) as human_is_counted,
    event_type,
    url_type_label,
    url_label,
    url_category,
    seconds_since_sent,
    logged_amount,
    requester_network
from placed
