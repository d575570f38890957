select
    recipient_id,
    load_id,
    first_name,
    last_name,
    email,
    email_format
from {{ source('raw', 'recipients') }} as recipients
where {{ is_current_version('recipients') }}
