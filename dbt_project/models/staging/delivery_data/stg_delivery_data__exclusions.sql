with exclusions as (
    select * from {{ source('raw', 'exclusions') }}
),

current_exclusions as (
    {{ current_versions('exclusions') }}
)

select
    delivery_id,
    recipient_id,
    load_id,
    reason
from current_exclusions
