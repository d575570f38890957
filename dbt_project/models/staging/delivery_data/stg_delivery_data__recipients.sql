with recipients as (
    select * from {{ source('raw', 'recipients') }}
)

select
    recipient_id,
    load_id,
    first_name,
    last_name,
    email,
    email_format
from recipients
where {{ is_current_version('recipients') }}
