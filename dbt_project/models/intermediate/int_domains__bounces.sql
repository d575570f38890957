{{ config(
    materialized='versioned',
    unique_key=['delivery_id', 'domain', 'failure_reason'],
    meta={'gone': 'error_count = 0'}
) }}
{%- set is_full = is_full_build() -%}

with message_changes as (
    {{ changes_of('message_engagement', is_full) }}
),

message_statuses as (
    select * from {{ ref('message_statuses') }}
),

-- Seeds are control addresses (spec 4.1).
added as (
    select
        message_changes.delivery_id,
        message_changes.domain,
        coalesce(message_changes.failure_reason, 0) as failure_reason,
        sum(message_changes.change) as error_count
    from message_changes
    inner join message_statuses on message_changes.status = message_statuses.code
    where message_statuses.is_error and not message_changes.is_seed
    group by message_changes.delivery_id, message_changes.domain, coalesce(message_changes.failure_reason, 0)
)

{{ add_to_live('added', ['delivery_id', 'domain', 'failure_reason'], {'error_count': 'bigint'}, is_full) }}
