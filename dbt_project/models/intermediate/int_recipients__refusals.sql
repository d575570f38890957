{{ config(materialized='stable_view') }}

with consents as (
    select * from {{ ref('stg_delivery_data__consents') }}
    where purpose = '{{ var('consent_purpose') }}' and recipient_id <> 0
),

-- Each lasts until the recipient's next one, so that no two refusals overlap.
choices as (
    select
        recipient_id,
        is_allowed,
        effective_at,
        lead(effective_at, 1, 'infinity'::timestamptz) over (partition by recipient_id order by effective_at) as ended_at
    from consents
)

select
    recipient_id,
    effective_at as refused_at,
    ended_at
from choices
where not is_allowed
