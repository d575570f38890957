{#
  dbt empties a seed before it fills it again. `truncate` waits until nobody reads, keeps later readers waiting meanwhile, and
  shows a transaction that began before an empty table.
#}
{% macro postgres__truncate_relation(relation) -%}
    {% call statement('truncate_relation') %}delete from {{ relation }}{% endcall %}
{%- endmacro %}
