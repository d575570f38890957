with events as (
    select * from {{ source('raw', 'events') }}
    where {{ is_in_window('load_id') }}
),

person_key as (
    select * from {{ source('ops', 'person_key') }}
),

-- A name may be percent-encoded, so a percent sign is reason to look closer.
with_parameters as (
    select
        *,
        case when parameters ~ '(amount|%)' then ops.url_parameter(parameters, 'amount') end as amount_text,
        case when parameters ~ '(article|%)' then ops.url_parameter(parameters, 'article') end as article_text
    from events
)

select
    load_id,
    source_id,
    delivery_id,
    message_id,
    url_id,
    user_agent_id,
    -- UUIDs are compared without regard to case (spec 8.9); an empty one is nobody.
    case
        when requester_uuid <> ''
            then encode(
                substring(
                    sha256((select person_key.key from person_key) || convert_to(lower(requester_uuid), 'UTF8'))
                    from 1 for 16
                ),
                'hex'
            )::uuid
    end as person_id,
    prefix,
    counter,
    -- numeric holds 16 383 digits after the point; a log line may have more.
    case when amount_text ~ '^[0-9]{1,15}(\.[0-9]+)?$' then trim_scale(left(amount_text, 16000)::numeric) end as logged_amount,
    case when article_text ~ '^[0-9]{1,9}$' then article_text::integer end as logged_article,
    ops.network_of(client_ip) as requester_network,
    occurred_at
from with_parameters
