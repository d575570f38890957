{{ config(
    materialized='versioned',
    unique_key=['delivery_id'],
    meta={'gone': 'event_count = 0 and message_count = 0'}
) }}
{%- set is_full = is_full_build() -%}

with event_changes as (
    {{ changes_of('int_tracking_events__judged', is_full) }}
),

message_changes as (
    {{ changes_of('message_engagement', is_full) }}
),

-- A person has a row for each domain, and is one person.
person_changes as (
    {{ changes_of_distinct('int_persons__clicks', ['delivery_id', 'person_id'], is_full) }}
),

message_statuses as (
    select * from {{ ref('message_statuses') }}
),

-- `Iif(condition, x, 0)` inside a count reads "x where condition": the 0 is not counted (spec 0.2, rule 5).
event_sums as (
    select
        delivery_id,
        sum(change) as event_count,
        sum(change) filter (where not is_counted) as duplicate_open_count,
        sum(change) filter (where is_counted and not (is_known_message and is_known_url)) as unlinked_count,
        sum(change) filter (where is_counted and event_type = 'open') as total_open_count,
        sum(change) filter (where is_counted and event_type = 'click') as total_click_count,
        sum(change) filter (where is_counted and event_type = 'opt_out') as opt_out_click_count,
        sum(change) filter (where is_counted and event_type = 'mirror_page') as mirror_page_click_count,
        sum(change) filter (where is_counted and event_type in ('web', 'transaction')) as visited_page_count,
        sum(change) filter (where is_counted and event_type = 'transaction') as transaction_count,
        sum(change * logged_amount) filter (where is_counted and event_type = 'transaction') as transaction_amount,
        sum(change * logged_article) filter (where is_counted and event_type = 'transaction') as article_count
    from event_changes
    group by delivery_id
),

-- A message has one row, so rows are distinct messages. Seeds are control addresses and leave every population count, but
-- not the reactions (spec 4.1).
message_sums as (
    select
        message_changes.delivery_id,
        sum(message_changes.change) as message_count,
        sum(message_changes.change) filter (where not message_changes.is_seed and message_statuses.is_success) as success_count,
        sum(message_changes.change) filter (where not message_changes.is_seed and message_statuses.is_error) as error_count,
        sum(message_changes.change) filter (where not message_changes.is_seed and message_statuses.is_prepared) as prepared_count,
        sum(message_changes.change) filter (
            where not message_changes.is_seed and message_statuses.is_error and message_changes.failure_reason = 8
        ) as complaint_count,
        sum(message_changes.change) filter (where message_changes.event_count > 0) as recipient_open_count,
        sum(message_changes.change) filter (where message_changes.has_clicked) as recipient_click_count
    from message_changes
    left join message_statuses on message_changes.status = message_statuses.code
    group by message_changes.delivery_id
),

person_sums as (
    select
        delivery_id,
        sum(change) as person_click_count
    from person_changes
    group by delivery_id
),

changed_deliveries as (
    select delivery_id from event_sums
    union
    select delivery_id from message_sums
),

added as (
    select
        changed_deliveries.delivery_id,
        event_sums.event_count,
        event_sums.duplicate_open_count,
        event_sums.unlinked_count,
        event_sums.total_open_count,
        event_sums.total_click_count,
        event_sums.opt_out_click_count,
        event_sums.mirror_page_click_count,
        event_sums.visited_page_count,
        event_sums.transaction_count,
        event_sums.transaction_amount,
        event_sums.article_count,
        message_sums.message_count,
        message_sums.success_count,
        message_sums.error_count,
        message_sums.prepared_count,
        message_sums.complaint_count,
        message_sums.recipient_open_count,
        message_sums.recipient_click_count,
        person_sums.person_click_count
    from changed_deliveries
    left join event_sums on changed_deliveries.delivery_id = event_sums.delivery_id
    left join message_sums on changed_deliveries.delivery_id = message_sums.delivery_id
    left join person_sums on changed_deliveries.delivery_id = person_sums.delivery_id
)

{{ add_to_live(
    'added',
    ['delivery_id'],
    {
        'event_count': 'bigint',
        'duplicate_open_count': 'bigint',
        'unlinked_count': 'bigint',
        'message_count': 'bigint',
        'success_count': 'bigint',
        'error_count': 'bigint',
        'prepared_count': 'bigint',
        'complaint_count': 'bigint',
        'recipient_open_count': 'bigint',
        'total_open_count': 'bigint',
        'recipient_click_count': 'bigint',
        'person_click_count': 'bigint',
        'total_click_count': 'bigint',
        'opt_out_click_count': 'bigint',
        'mirror_page_click_count': 'bigint',
        'visited_page_count': 'bigint',
        'transaction_count': 'bigint',
        'transaction_amount': 'numeric',
        'article_count': 'bigint',
    },
    is_full
) }}
