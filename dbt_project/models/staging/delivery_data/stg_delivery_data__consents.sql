with consents as (
    select * from {{ source('raw', 'consents') }}
),

current_consents as (
    {{ current_versions('consents') }}
)

select
    recipient_id,
    load_id,
    purpose,
    -- Who has not chosen allows (spec 1.4).
    coalesce(is_allowed, true) as is_allowed,
    effective_at
from current_consents
