{{ config(materialized='stable_view') }}

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
        indicators.estimated_recipient_open_count,
        indicators.recipient_click_count,
        indicators.person_click_count,
        indicators.total_click_count
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
        weight * success_count as success_count,
        weight * estimated_recipient_open_count as estimated_recipient_open_count,
        weight * recipient_click_count as recipient_click_count,
        weight * person_click_count as person_click_count,
        weight * total_click_count as total_click_count
    from dated
    union all
    select
        delivery_id,
        typology_id,
        channel,
        window_start_at as moment_at,
        -1 as side,
        0 as success_count,
        0 as estimated_recipient_open_count,
        0 as recipient_click_count,
        0 as person_click_count,
        0 as total_click_count
    from dated
),

running as (
    select
        delivery_id,
        side * sum(success_count) over before as success_count,
        side * sum(estimated_recipient_open_count) over before as estimated_recipient_open_count,
        side * sum(recipient_click_count) over before as recipient_click_count,
        side * sum(person_click_count) over before as person_click_count,
        side * sum(total_click_count) over before as total_click_count
    from moments
    window before as (partition by typology_id, channel order by moment_at, side range unbounded preceding)
),

windows as (
    select
        delivery_id,
        sum(success_count) as success_count,
        sum(estimated_recipient_open_count) as estimated_recipient_open_count,
        sum(recipient_click_count) as recipient_click_count,
        sum(person_click_count) as person_click_count,
        sum(total_click_count) as total_click_count
    from running
    group by delivery_id
)

select
    delivery_id,
    {{ rate('recipient_click_count', 'estimated_recipient_open_count') }} as platform_reactivity_rate,
    {{ rate('person_click_count', 'success_count') }} as platform_distinct_click_rate,
    {{ rate('total_click_count', 'success_count') }} as platform_cumulated_click_rate
from windows
