select
    delivery_id,
    recipient_id,
    load_id,
    reason
from {{ source('raw', 'exclusions') }} as exclusions
where {{ is_current_version('exclusions') }}
