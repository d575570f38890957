select
    message_id,
    delivery_id,
    recipient_id,
    address_domain,
    status,
    failure_reason,
    coalesce(is_seed, false) as is_seed,
    event_at
from {{ source('raw', 'messages') }} as messages
where {{ is_current_version('messages') }}
