{#
  Loads that were committed since the candidate was opened are few, so the filter names those to leave out. Where a
  table holds few loads the planner would take a bare `<> all` for true of hardly any row, and choose nested loops; of
  coalesce it knows nothing.
#}
{% macro is_in_window(load_id) -%}
    coalesce({{ load_id }} <> all(array(
        select later.load_id
        from {{ source('ops', 'file_ledger') }} as later
        where later.position > (select build_window.to_position from {{ source('ops', 'build_window') }} as build_window)
    )), true)
{%- endmacro %}

{% macro is_current_version(alias) -%}
    {{ is_in_window(alias ~ '.load_id') }}
    and (
        {{ alias }}.superseded_by_load_id is null
        or not ({{ is_in_window(alias ~ '.superseded_by_load_id') }})
    )
{%- endmacro %}

{% macro is_touched(key, relation='int_deliveries__touched') -%}
    {%- if target.name == 'dev' -%}
    true
    {%- else -%}
    {{ key }} in (select touched.{{ key.split('.') | last }} from {{ ref(relation) }} as touched)
    {%- endif -%}
{%- endmacro %}
