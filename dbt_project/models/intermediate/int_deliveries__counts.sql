{{ config(
    materialized='versioned',
    unique_key=['delivery_id'],
    meta={'gone': 'event_count = 0 and message_count = 0'}
) }}
{%- set is_full = is_full_build() -%}
{%- set measures = {
    'event_count': 'bigint',
    'duplicate_open_count': 'bigint',
    'withdrawn_count': 'bigint',
    'unlinked_count': 'bigint',
    'message_count': 'bigint',
    'success_count': 'bigint',
    'error_count': 'bigint',
    'prepared_count': 'bigint',
    'complaint_count': 'bigint',
} -%}
{%- for human in ['', 'human_'] %}
    {%- do measures.update({
        human ~ 'recipient_open_count': 'bigint',
        human ~ 'total_open_count': 'bigint',
        human ~ 'recipient_click_count': 'bigint',
        human ~ 'person_click_count': 'bigint',
        human ~ 'total_click_count': 'bigint',
        human ~ 'opt_out_click_count': 'bigint',
        human ~ 'mirror_page_click_count': 'bigint',
        human ~ 'visited_page_count': 'bigint',
        human ~ 'transaction_count': 'bigint',
        human ~ 'transaction_amount': 'numeric',
        human ~ 'article_count': 'bigint',
    }) -%}
{%- endfor -%}

with event_changes as (
    {{ changes_of('int_tracking_events__judged', is_full) }}
),

message_changes as (
    {{ changes_of('message_engagement', is_full) }}
),

-- A person has a row for each domain, and is one person.
person_clicks as (
    {{ changes_by_key('int_persons__clicks', ['delivery_id', 'person_id'], ['human_click_count'], is_full) }}
),

person_changes as (
    select
        change,
        delivery_id,
        bool_or(human_click_count > 0) as human_has_clicked
    from person_clicks
    group by change, delivery_id, person_id
),

message_statuses as (
    select * from {{ ref('message_statuses') }}
),

-- `Iif(condition, x, 0)` inside a count reads "x where condition": the 0 is not counted (spec 0.2, rule 5).
event_sums as (
    select
        delivery_id,
        sum(change) as event_count,
        sum(change) filter (where not is_counted and not is_withdrawn) as duplicate_open_count,
        sum(change) filter (where is_withdrawn) as withdrawn_count,
        sum(change) filter (where is_counted and not (is_known_message and is_known_url)) as unlinked_count,
    {%- for human in ['', 'human_'] %}
        sum(change) filter (where {{ human }}is_counted and event_type = 'open') as {{ human }}total_open_count,
        sum(change) filter (where {{ human }}is_counted and event_type = 'click') as {{ human }}total_click_count,
        sum(change) filter (where {{ human }}is_counted and event_type = 'opt_out') as {{ human }}opt_out_click_count,
        sum(change) filter (where {{ human }}is_counted and event_type = 'mirror_page') as {{ human }}mirror_page_click_count,
        sum(change) filter (where {{ human }}is_counted and event_type in ('web', 'transaction')) as {{ human }}visited_page_count,
        sum(change) filter (where {{ human }}is_counted and event_type = 'transaction') as {{ human }}transaction_count,
        sum(change * logged_amount) filter (where {{ human }}is_counted and event_type = 'transaction') as {{ human }}transaction_amount,
        sum(change * logged_article) filter (where {{ human }}is_counted and event_type = 'transaction') as {{ human }}article_count
        {{- ',' if not loop.last }}
    {%- endfor %}
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
    {%- for human in ['', 'human_'] %}
        sum(message_changes.change) filter (where message_changes.{{ human }}event_count > 0) as {{ human }}recipient_open_count,
        sum(message_changes.change) filter (where message_changes.{{ human }}has_clicked) as {{ human }}recipient_click_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from message_changes
    left join message_statuses on message_changes.status = message_statuses.code
    group by message_changes.delivery_id
),

person_sums as (
    select
        delivery_id,
        sum(change) as person_click_count,
        sum(change) filter (where human_has_clicked) as human_person_click_count
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
    {%- for measure in measures %}
        {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
    from changed_deliveries
    left join event_sums on changed_deliveries.delivery_id = event_sums.delivery_id
    left join message_sums on changed_deliveries.delivery_id = message_sums.delivery_id
    left join person_sums on changed_deliveries.delivery_id = person_sums.delivery_id
)

{{ add_to_live('added', ['delivery_id'], measures, is_full) }}
