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
        'int_visitors__pages',
        ['activity_date', 'visitor_id'],
        ['user_agent_id', 'click_count', 'page_count', 'human_click_count', 'human_page_count'],
        is_full
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
    {%- for human in ['', 'human_'] %}
        (sum(visits.{{ human }}click_count) > 0)::integer as {{ human }}visitor_count,
        case when sum(visits.{{ human }}click_count) > 0 then sum(visits.{{ human }}page_count) else 0 end as {{ human }}page_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from visits
    inner join user_agents on visits.user_agent_id = user_agents.user_agent_id
    group by visits.change, visits.activity_date, visits.visitor_id, user_agents.{{ name }}, user_agents.{{ name }}_version
),

added as (
    select
        activity_date,
        name,
        version,
    {%- for human in ['', 'human_'] %}
        sum(change * {{ human }}visitor_count) as {{ human }}visitor_count,
        sum(change * {{ human }}page_count) as {{ human }}page_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from visitors
    group by activity_date, name, version
    {%- if not is_full %}
    union all
    select
        activity_date,
        name,
        version,
        visitor_count,
        page_count,
        human_visitor_count,
        human_page_count
    from {{ live_rows(this.identifier) }} as live_statistics
    {{ of_touched_days }}
    {%- endif %}
),

-- Who uses two browsers is one visitor of the day.
added_to_days as (
    select
        activity_date,
    {%- for human in ['', 'human_'] %}
        sum(change * {{ human }}visitor_count) as {{ human }}day_visitor_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from (
        select
            change,
            activity_date,
            max(visitor_count) as visitor_count,
            max(human_visitor_count) as human_visitor_count
        from visitors
        group by change, activity_date, visitor_id
    ) as day_visitors
    group by activity_date
    {%- if not is_full %}
    union all
    select distinct
        activity_date,
        day_visitor_count,
        human_day_visitor_count
    from {{ live_rows(this.identifier) }} as live_statistics
    {{ of_touched_days }}
    {%- endif %}
),

counts as (
    select
        activity_date,
        name,
        version,
    {%- for human in ['', 'human_'] %}
        sum({{ human }}visitor_count)::bigint as {{ human }}visitor_count,
        sum({{ human }}page_count)::bigint as {{ human }}page_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from added
    group by activity_date, name, version
    having sum(visitor_count) > 0
),

day_counts as (
    select
        activity_date,
    {%- for human in ['', 'human_'] %}
        sum({{ human }}day_visitor_count)::bigint as {{ human }}day_visitor_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from added_to_days
    group by activity_date
)

select
    counts.name,
    counts.version,
    {{ visitor_figures('') }},
    counts.activity_date,
    {{ visitor_figures('human_') }}
from counts
inner join day_counts on counts.activity_date = day_counts.activity_date
{% endmacro %}

{# The published figures of one audience, of `counts` and `day_counts`. #}
{% macro visitor_figures(human) -%}
    {%- set visitors = 'counts.' ~ human ~ 'visitor_count' -%}
    {%- set day_visitors = 'day_counts.' ~ human ~ 'day_visitor_count' -%}
    {{ visitors }},
    counts.{{ human }}page_count,
    {{ day_visitors }},
    {{ rate(visitors, day_visitors) }} as {{ human }}usage_rate,
    {{ rate(visitors, 'sum(' ~ visitors ~ ') over (partition by counts.activity_date)') }} as {{ human }}global_rate,
    {{ rate(visitors, 'sum(' ~ visitors ~ ') over (partition by counts.activity_date, counts.name)') }} as {{ human }}relative_rate
{%- endmacro %}
