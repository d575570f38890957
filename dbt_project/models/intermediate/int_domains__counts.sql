{{ config(
    materialized='versioned',
    unique_key=['delivery_id', 'domain'],
    meta={'gone': 'greatest(message_count, unaddressed_event_count, person_click_count, opt_out_click_count) = 0'}
) }}
{%- set is_full = is_full_build() -%}
{%- set measures = {
    'message_count': 'bigint',
    'unaddressed_event_count': 'bigint',
    'success_count': 'bigint',
    'error_count': 'bigint',
    'prepared_count': 'bigint',
    'hard_bounce_count': 'bigint',
    'soft_bounce_count': 'bigint',
    'complaint_count': 'bigint',
} -%}
{%- for human in ['', 'human_'] %}
    {%- do measures.update({
        human ~ 'recipient_open_count': 'bigint',
        human ~ 'recipient_click_count': 'bigint',
        human ~ 'person_click_count': 'bigint',
        human ~ 'opt_out_click_count': 'bigint',
    }) -%}
{%- endfor %}

with message_changes as (
    {{ changes_of('message_engagement', is_full) }}
),

events as (
    {{ event_changes_by_domain(['event_type', 'is_counted', 'human_is_counted'], is_full) }}
),

person_changes as (
    {{ changes_of('int_persons__clicks', is_full) }}
),

message_statuses as (
    select * from {{ ref('message_statuses') }}
),

failure_reasons as (
    select * from {{ ref('failure_reasons') }}
),

-- Seeds are control addresses and leave every population count, but not the reactions (spec 4.1).
message_sums as (
    select
        message_changes.delivery_id,
        message_changes.domain,
        sum(message_changes.change) as message_count,
        sum(message_changes.change) filter (where not message_changes.is_seed and message_statuses.is_success) as success_count,
        sum(message_changes.change) filter (where not message_changes.is_seed and message_statuses.is_error) as error_count,
        sum(message_changes.change) filter (where not message_changes.is_seed and message_statuses.is_prepared) as prepared_count,
        sum(message_changes.change) filter (
            where not message_changes.is_seed and message_statuses.is_error and failure_reasons.is_hard_bounce
        ) as hard_bounce_count,
        sum(message_changes.change) filter (
            where not message_changes.is_seed and message_statuses.is_error and failure_reasons.is_soft_bounce
        ) as soft_bounce_count,
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
    left join failure_reasons on message_changes.failure_reason = failure_reasons.code
    group by message_changes.delivery_id, message_changes.domain
),

event_sums as (
    select
        delivery_id,
        domain,
        sum(change) filter (where message_id = 0) as unaddressed_event_count,
        sum(change) filter (where event_type = 'opt_out') as opt_out_click_count,
        sum(change) filter (where event_type = 'opt_out' and human_is_counted) as human_opt_out_click_count
    from events
    where is_counted and (event_type = 'opt_out' or message_id = 0)
    group by delivery_id, domain
),

person_sums as (
    select
        delivery_id,
        domain,
        sum(change) as person_click_count,
        sum(change) filter (where human_click_count > 0) as human_person_click_count
    from person_changes
    group by delivery_id, domain
),

changed_domains as (
    select
        delivery_id,
        domain
    from message_sums
    union
    select
        delivery_id,
        domain
    from event_sums
    union
    select
        delivery_id,
        domain
    from person_sums
),

added as (
    select
        changed_domains.delivery_id,
        changed_domains.domain,
    {%- for measure in measures %}
        {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
    from changed_domains
    left join message_sums on changed_domains.delivery_id = message_sums.delivery_id and changed_domains.domain = message_sums.domain
    left join event_sums on changed_domains.delivery_id = event_sums.delivery_id and changed_domains.domain = event_sums.domain
    left join person_sums on changed_domains.delivery_id = person_sums.delivery_id and changed_domains.domain = person_sums.domain
)

{{ add_to_live('added', ['delivery_id', 'domain'], measures, is_full) }}
