with messages as (
    select * from {{ source('raw', 'messages') }}
),

-- Each of the two is read by an index of its own.
current_messages as (
    select * from messages
    where superseded_by_load_id is null and {{ is_in_window('load_id') }}
    union all
    select * from messages
    where superseded_by_load_id = any({{ later_loads() }}) and {{ is_in_window('load_id') }}
)

select
    message_id,
    delivery_id,
    recipient_id,
    address_domain,
    status,
    failure_reason,
    coalesce(is_seed, false) as is_seed,
    event_at
from current_messages
