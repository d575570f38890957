{#
  The statistics of browsers or of operating systems: visitors and pages by day, name and version. Distinct visitors are no
  sum of events, but of visitors: those whose rows have changed are counted as they are now and taken off as they were.
#}
{% macro visitor_statistics(name) %}
{%- set is_full = is_full_build() -%}
{%- set days = ref('int_days__touched') -%}
{%- set of_touched_days -%}
    where activity_date in (select days.activity_date from {{ days }} as days)
{%- endset -%}
with visits as (
    {{ changes_by_key(
        'int_visitors__pages', ['activity_date', 'visitor_id'], ['user_agent_id', 'click_count', 'page_count'], is_full
    ) }}
),

user_agents as (
    select * from {{ ref('int_user_agents__families') }}
),

-- Only who clicked is a visitor (spec 4.9).
visitors as (
    select
        visits.change,
        visits.activity_date,
        visits.visitor_id,
        user_agents.{{ name }} as name,
        user_agents.{{ name }}_version as version,
        sum(visits.page_count) as page_count
    from visits
    inner join user_agents on visits.user_agent_id = user_agents.user_agent_id
    group by visits.change, visits.activity_date, visits.visitor_id, user_agents.{{ name }}, user_agents.{{ name }}_version
    having sum(visits.click_count) > 0
),

added as (
    select
        activity_date,
        name,
        version,
        sum(change) as visitor_count,
        sum(change * page_count) as page_count
    from visitors
    group by activity_date, name, version
    {%- if not is_full %}
    union all
    select
        activity_date,
        name,
        version,
        visitor_count,
        page_count
    from {{ live_rows(this.identifier) }} as live_statistics
    {{ of_touched_days }}
    {%- endif %}
),

-- Who uses two browsers is one visitor of the day.
added_to_days as (
    select
        activity_date,
        sum(change) as day_visitor_count
    from (select distinct change, activity_date, visitor_id from visitors) as day_visitors
    group by activity_date
    {%- if not is_full %}
    union all
    select distinct
        activity_date,
        day_visitor_count
    from {{ live_rows(this.identifier) }} as live_statistics
    {{ of_touched_days }}
    {%- endif %}
),

counts as (
    select
        activity_date,
        name,
        version,
        sum(visitor_count)::bigint as visitor_count,
        sum(page_count)::bigint as page_count
    from added
    group by activity_date, name, version
    having sum(visitor_count) > 0
),

day_counts as (
    select
        activity_date,
        sum(day_visitor_count)::bigint as day_visitor_count
    from added_to_days
    group by activity_date
)

select
    counts.name,
    counts.version,
    counts.visitor_count,
    counts.page_count,
    day_counts.day_visitor_count,
    {{ rate('counts.visitor_count', 'day_counts.day_visitor_count') }} as usage_rate,
    {{ rate('counts.visitor_count', 'sum(counts.visitor_count) over (partition by counts.activity_date)') }} as global_rate,
    {{ rate('counts.visitor_count', 'sum(counts.visitor_count) over (partition by counts.activity_date, counts.name)') }} as relative_rate,
    counts.activity_date
from counts
inner join day_counts on counts.activity_date = day_counts.activity_date
{% endmacro %}
