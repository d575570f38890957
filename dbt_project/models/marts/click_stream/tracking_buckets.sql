{{ config(
    unique_key=['delivery_id', 'url_id', 'bucket_at'],
    meta={'gone': 'event_count = 0 and human_event_count = 0'}
) }}
{%- set is_full = is_full_build() -%}

with changes as (
    {{ changes_of('int_tracking_events__judged', is_full) }}
),

-- Five minutes aligned on the clock; an event at the boundary belongs to the later bucket (spec 8.25).
added as (
    select
        delivery_id,
        url_id,
        date_bin(interval '5 minutes', occurred_at, timestamptz '1970-01-01 00:00:00+00') as bucket_at,
        sum(change) filter (where is_counted) as event_count,
        sum(change) filter (where human_is_counted) as human_event_count
    from changes
    where is_counted or human_is_counted
    group by delivery_id, url_id, bucket_at
)

{{ add_to_live(
    'added',
    ['delivery_id', 'url_id', 'bucket_at'],
    {'event_count': 'bigint', 'human_event_count': 'bigint'},
    is_full
) }}
