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
    where is_counted and {{ is_touched_message(is_full) }} and message_id <> 0
),

reactions as (
    select
        delivery_id,
        message_id,
        min(occurred_at) filter (where event_type = 'open') as first_opened_at,
        max(occurred_at) filter (where event_type = 'open') as last_opened_at,
        count(*) filter (where event_type = 'open') as open_count,
        min(occurred_at) filter (where event_type = 'click') as first_clicked_at,
        max(occurred_at) filter (where event_type = 'click') as last_clicked_at,
        count(*) filter (where event_type = 'click') as click_count,
        count(*) filter (where event_type = 'opt_out') as opt_out_count,
        count(*) as event_count
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
        reactions.first_opened_at,
        reactions.last_opened_at,
        coalesce(reactions.open_count, 0) as open_count,
        reactions.first_clicked_at,
        reactions.last_clicked_at,
        coalesce(reactions.click_count, 0) as click_count,
        coalesce(reactions.opt_out_count, 0) as opt_out_count,
        coalesce(reactions.event_count, 0) as event_count
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
    coalesce(domains.domain, 'Others') as domain
from engaged
inner join deliveries on engaged.delivery_id = deliveries.delivery_id
left join domains on lower(engaged.address_domain) = lower(domains.alias)
