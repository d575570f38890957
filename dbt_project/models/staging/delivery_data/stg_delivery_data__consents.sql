select
    recipient_id,
    load_id,
    purpose,
    -- Who has not chosen allows (spec 1.4).
    coalesce(is_allowed, true) as is_allowed,
    effective_at
from {{ source('raw', 'consents') }} as consents
where {{ is_current_version('consents') }}
