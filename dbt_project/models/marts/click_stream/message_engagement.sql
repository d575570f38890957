{{ config(
    unique_key=['delivery_id', 'message_id'],
    indexes=[{'columns': ['recipient_id']}],
    meta={'scope': {'columns': ['delivery_id', 'message_id'], 'relation': 'int_messages__touched'}}
) }}
{%- set is_full = is_full_build() -%}

with deliveries as (
    select * from {{ ref('stg_delivery_data__deliveries') }}
    where {{ is_touched('delivery_id') }}
),

domains as (
    select * from {{ ref('domains') }}
),

-- Message 0 is no message.
messages as (
    select * from {{ ref('stg_delivery_data__messages') }}
    where {{ is_touched_message(is_full) }} and message_id <> 0
),

events as (
    select * from {{ ref('int_tracking_events__judged') }}
    where (is_counted or human_is_counted) and {{ is_touched_message(is_full) }} and message_id <> 0
),

reactions as (
    select
        delivery_id,
        message_id,
    {%- for human in ['', 'human_'] %}
        min(occurred_at) filter (where {{ human }}is_counted and event_type = 'open') as {{ human }}first_opened_at,
        max(occurred_at) filter (where {{ human }}is_counted and event_type = 'open') as {{ human }}last_opened_at,
        count(*) filter (where {{ human }}is_counted and event_type = 'open') as {{ human }}open_count,
        min(occurred_at) filter (where {{ human }}is_counted and event_type = 'click') as {{ human }}first_clicked_at,
        max(occurred_at) filter (where {{ human }}is_counted and event_type = 'click') as {{ human }}last_clicked_at,
        count(*) filter (where {{ human }}is_counted and event_type = 'click') as {{ human }}click_count,
        count(*) filter (where {{ human }}is_counted and event_type = 'opt_out') as {{ human }}opt_out_count,
        count(*) filter (where {{ human }}is_counted) as {{ human }}event_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from events
    group by delivery_id, message_id
),

-- Every message that was sent, and every one that reacted: the reference data may not know it, or know it elsewhere.
engaged as (
    select
        coalesce(messages.delivery_id, reactions.delivery_id) as delivery_id,
        coalesce(messages.message_id, reactions.message_id) as message_id,
        coalesce(messages.recipient_id, 0) as recipient_id,
        messages.status,
        messages.failure_reason,
        messages.is_seed,
        messages.address_domain,
    {%- for human in ['', 'human_'] %}
        reactions.{{ human }}first_opened_at,
        reactions.{{ human }}last_opened_at,
        coalesce(reactions.{{ human }}open_count, 0) as {{ human }}open_count,
        reactions.{{ human }}first_clicked_at,
        reactions.{{ human }}last_clicked_at,
        coalesce(reactions.{{ human }}click_count, 0) as {{ human }}click_count,
        coalesce(reactions.{{ human }}opt_out_count, 0) as {{ human }}opt_out_count,
        coalesce(reactions.{{ human }}event_count, 0) as {{ human }}event_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from messages
    full join reactions on messages.delivery_id = reactions.delivery_id and messages.message_id = reactions.message_id
)

select
    engaged.delivery_id,
    engaged.message_id,
    engaged.recipient_id,
    engaged.status,
    engaged.failure_reason,
    engaged.open_count,
    engaged.click_count,
    engaged.is_seed,
    engaged.open_count > 0 as has_opened,
    engaged.click_count > 0 as has_clicked,
    engaged.opt_out_count > 0 as has_opted_out,
    engaged.first_opened_at,
    engaged.last_opened_at,
    engaged.first_clicked_at,
    engaged.last_clicked_at,
    engaged.event_count,
    coalesce(domains.domain, 'Others') as domain,
    engaged.human_open_count,
    engaged.human_click_count,
    engaged.human_event_count,
    engaged.human_open_count > 0 as human_has_opened,
    engaged.human_click_count > 0 as human_has_clicked,
    engaged.human_opt_out_count > 0 as human_has_opted_out,
    engaged.human_first_opened_at,
    engaged.human_last_opened_at,
    engaged.human_first_clicked_at,
    engaged.human_last_clicked_at
from engaged
inner join deliveries on engaged.delivery_id = deliveries.delivery_id
left join domains on lower(engaged.address_domain) = lower(domains.alias)
