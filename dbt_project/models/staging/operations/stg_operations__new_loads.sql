with loads as (
    select * from {{ source('ops', 'file_ledger') }}
),

build_window as (
    select * from {{ source('ops', 'build_window') }}
)

select
    loads.load_id,
    loads.kind,
    loads.event_count
from loads
cross join build_window
where
    loads.position <= build_window.to_position
    and (build_window.is_full or loads.position > build_window.from_position)
