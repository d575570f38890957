{# The loads that were committed since the candidate was opened. #}
{% macro later_loads() -%}
    array(
        select later.load_id
        from {{ source('ops', 'file_ledger') }} as later
        where later.position > (select build_window.to_position from {{ source('ops', 'build_window') }} as build_window)
    )
{%- endmacro %}

{#
  They are few, so the filter names those to leave out. Where a table holds few loads the planner would take a bare `<> all`
  for true of hardly any row, and choose nested loops; of coalesce it knows nothing.
#}
{% macro is_in_window(load_id) -%}
    coalesce({{ load_id }} <> all({{ later_loads() }}), true)
{%- endmacro %}

{#
  Whether a version of a reference row is the current one, as the build window sees it: nothing has superseded it, or only a
  later load has. Staging views that say so have no CTE: into a view that has one Postgres does not look when it plans a
  join, and reads it whole.
#}
{% macro is_current_version(versions) -%}
    ({{ versions }}.superseded_by_load_id is null or {{ versions }}.superseded_by_load_id = any({{ later_loads() }}))
    and {{ is_in_window(versions ~ '.load_id') }}
{%- endmacro %}

{# A variable that counts seconds, as an interval. #}
{% macro seconds(variable) -%}
    interval '{{ var(variable) }} seconds'
{%- endmacro %}

{% macro is_touched(key, relation='int_deliveries__touched') -%}
    {%- if target.name == 'dev' -%}
    true
    {%- else -%}
    {{ key }} in (select touched.{{ key.split('.') | last }} from {{ ref(relation) }} as touched)
    {%- endif -%}
{%- endmacro %}

{#
  Messages whose events or reference rows are new, or whose delivery's events show something else by now. A full build
  lists none and takes all.
#}
{% macro is_touched_message(is_full) -%}
    {%- set touched = ref('int_messages__touched') -%}
    {%- if is_full -%}
    true
    {%- else -%}
    (delivery_id, message_id) in (select touched.delivery_id, touched.message_id from {{ touched }} as touched)
    {%- endif -%}
{%- endmacro %}

{#
  True for what the candidate takes in. The first number stands in the text: of loads that the planner sees late it believes
  that they hold many rows. They are looked up by hash: a list of thousands of files would be gone through for each row.
#}
{% macro is_new(load_id, is_full) -%}
    {%- set new_loads = ref('stg_operations__new_loads') -%}
    {%- if is_full -%}
    true
    {%- else -%}
    {%- set first = run_query('select coalesce(min(load_id), 0) from ' ~ new_loads).columns[0][0] -%}
    ({{ load_id }} >= {{ first }} and {{ load_id }} in (select new_loads.load_id from {{ new_loads }} as new_loads))
    {%- endif -%}
{%- endmacro %}
