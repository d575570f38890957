{{ config(materialized='stable_view') }}
{%- set measures = ['success_count'] -%}
{%- for human in ['', 'human_'] %}
    {%- do measures.extend([
        human ~ 'estimated_recipient_open_count',
        human ~ 'recipient_click_count',
        human ~ 'person_click_count',
        human ~ 'total_click_count',
    ]) -%}
{%- endfor %}

with deliveries as (
    select * from {{ ref('deliveries') }}
),

indicators as (
    select * from {{ ref('int_deliveries__indicators') }}
),

-- Proofs and templates are in no average, but see that of the others.
dated as (
    select
        deliveries.delivery_id,
        deliveries.typology_id,
        deliveries.channel,
        deliveries.contact_at,
        {{ from_reporting_time(reporting_time('deliveries.contact_at') ~ " - interval '6 months'") }} as window_start_at,
        (not deliveries.is_proof and not deliveries.is_model)::integer as weight,
        deliveries.success_count,
    {%- for measure in measures[1:] %}
        indicators.{{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
    from deliveries
    inner join indicators on deliveries.delivery_id = indicators.delivery_id
    where deliveries.contact_at is not null
),

-- The sum over a window is what had come up to its end less what had come before its start, so each delivery stands
-- here twice. At the same moment a start is before the deliveries of that moment: both ends are in.
moments as (
    select
        delivery_id,
        typology_id,
        channel,
        contact_at as moment_at,
        1 as side,
    {%- for measure in measures %}
        weight * {{ measure }} as {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
    from dated
    union all
    select
        delivery_id,
        typology_id,
        channel,
        window_start_at as moment_at,
        -1 as side,
    {%- for measure in measures %}
        0 as {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
    from dated
),

running as (
    select
        delivery_id,
    {%- for measure in measures %}
        side * sum({{ measure }}) over before as {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
    from moments
    window before as (partition by typology_id, channel order by moment_at, side range unbounded preceding)
),

windows as (
    select
        delivery_id,
    {%- for measure in measures %}
        sum({{ measure }}) as {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
    from running
    group by delivery_id
)

select
    delivery_id,
{%- for human in ['', 'human_'] %}
    {{ rate(human ~ 'recipient_click_count', human ~ 'estimated_recipient_open_count') }} as {{ human }}platform_reactivity_rate,
    {{ rate(human ~ 'person_click_count', 'success_count') }} as {{ human }}platform_distinct_click_rate,
    {{ rate(human ~ 'total_click_count', 'success_count') }} as {{ human }}platform_cumulated_click_rate
    {{- ',' if not loop.last }}
{%- endfor %}
from windows
