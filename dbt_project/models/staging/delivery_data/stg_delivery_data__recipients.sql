with recipients as (
    select * from {{ source('raw', 'recipients') }}
),

current_recipients as (
    {{ current_versions('recipients') }}
)

select
    recipient_id,
    load_id,
    first_name,
    last_name,
    email,
    email_format
from current_recipients
