with deliveries as (
    select * from {{ source('raw', 'deliveries') }}
),

messages as (
    select * from {{ source('raw', 'messages') }}
),

tracked_urls as (
    select * from {{ source('raw', 'tracked_urls') }}
),

contents as (
    select * from {{ source('raw', 'contents') }}
)

-- A message or URL that moved to another delivery changes both: the superseded version names the one it left.
select
    delivery_id,
    load_id
from deliveries
union all
select
    delivery_id,
    load_id
from messages
union all
select
    delivery_id,
    superseded_by_load_id
from messages
where superseded_by_load_id is not null
union all
select
    delivery_id,
    load_id
from tracked_urls
union all
select
    delivery_id,
    superseded_by_load_id
from tracked_urls
where superseded_by_load_id is not null
union all
select
    delivery_id,
    load_id
from contents
