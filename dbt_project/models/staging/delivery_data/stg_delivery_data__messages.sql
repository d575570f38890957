with messages as (
    select * from {{ source('raw', 'messages') }}
),

current_messages as (
    {{ current_versions('messages') }}
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
