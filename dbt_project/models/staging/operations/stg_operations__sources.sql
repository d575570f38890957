select
    source_id,
    source
from {{ source('ops', 'sources') }}
