select
    delivery_id,
    load_id,
    reason,
    1 as added_count
from {{ source('raw', 'exclusions') }}
where {{ is_in_window('load_id') }}
union all
select
    delivery_id,
    superseded_by_load_id as load_id,
    reason,
    -1 as added_count
from {{ source('raw', 'exclusions') }}
where superseded_by_load_id is not null and {{ is_in_window('superseded_by_load_id') }}
