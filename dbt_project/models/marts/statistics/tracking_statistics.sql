{{ config(
    unique_key=['delivery_id', 'series', 'percent'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with deliveries as (
    select * from {{ ref('deliveries') }}
    where {{ is_touched('delivery_id') }}
),

tracking_buckets as (
    select * from {{ ref('tracking_buckets') }}
    where {{ is_touched('delivery_id') }}
),

url_clicks as (
    select * from {{ ref('url_clicks') }}
    where {{ is_touched('delivery_id') }}
),

all_series as (
    select
        series.series,
        percents.percent
    from (values ('opens'), ('clicks'), ('transactions')) as series (series)
    cross join generate_series(10, 90, 10) as percents (percent)
),

typed_buckets as (
    select
        tracking_buckets.delivery_id,
        tracking_buckets.bucket_at,
        tracking_buckets.event_count,
        tracking_buckets.human_event_count,
        {{ series_of('tracking_buckets.url_id', 'url_clicks.url_type') }} as series
    from tracking_buckets
    left join url_clicks on tracking_buckets.delivery_id = url_clicks.delivery_id and tracking_buckets.url_id = url_clicks.url_id
),

cumulated as (
    select
        delivery_id,
        series,
        bucket_at,
        sum(sum(event_count)) over up_to_here as reached_count,
        sum(sum(event_count)) over whole as total_count,
        sum(sum(human_event_count)) over up_to_here as human_reached_count,
        sum(sum(human_event_count)) over whole as human_total_count
    from typed_buckets
    group by delivery_id, series, bucket_at
    window
        whole as (partition by delivery_id, series),
        up_to_here as (partition by delivery_id, series order by bucket_at)
),

-- Where nobody has done it, nothing is reached.
reached as (
    select
        cumulated.delivery_id,
        all_series.series,
        all_series.percent,
    {%- for human in ['', 'human_'] %}
        min(cumulated.bucket_at) filter (
            where
            cumulated.{{ human }}total_count > 0
            and cumulated.{{ human }}reached_count * 100 >= cumulated.{{ human }}total_count * all_series.percent
        ) + interval '5 minutes' as {{ human }}reached_at
        {{- ',' if not loop.last }}
    {%- endfor %}
    from cumulated
    inner join all_series on cumulated.series = all_series.series
    group by cumulated.delivery_id, all_series.series, all_series.percent
)

select
    deliveries.delivery_id,
    all_series.series,
    all_series.percent,
    trim_scale(extract(epoch from reached.reached_at - deliveries.contact_at)) as seconds_to_percent,
    trim_scale(extract(epoch from reached.human_reached_at - deliveries.contact_at)) as human_seconds_to_percent
from deliveries
cross join all_series
left join reached
    on
        deliveries.delivery_id = reached.delivery_id
        and all_series.series = reached.series
        and all_series.percent = reached.percent
