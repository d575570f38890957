{{ config(materialized='stable_view') }}

with consents as (
    select * from {{ ref('stg_delivery_data__consents') }}
    where purpose = '{{ var('consent_purpose') }}' and recipient_id <> 0
)

-- Each ends with the recipient's next choice, so that no two of them overlap.
select
    consents.recipient_id,
    consents.effective_at as refused_at,
    coalesce(
        (
            select min(later.effective_at)
            from consents as later
            where later.recipient_id = consents.recipient_id and later.effective_at > consents.effective_at
        ),
        'infinity'
    ) as ended_at
from consents
where not consents.is_allowed
