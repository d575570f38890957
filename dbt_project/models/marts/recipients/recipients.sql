{{ config(
    unique_key=['recipient_id'],
    meta={
        'published_schema': 'marts_private',
        'scope': {'columns': ['recipient_id'], 'relation': 'int_recipients__touched'},
    }
) }}

with recipients as (
    select * from {{ ref('stg_delivery_data__recipients') }}
)

select
    recipient_id,
    first_name,
    last_name,
    email,
    email_format
from recipients
where {{ is_touched('recipient_id', 'int_recipients__touched') }}
