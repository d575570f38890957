with sources as (
    select * from {{ source('ops', 'sources') }}
)

select
    source_id,
    source
from sources
