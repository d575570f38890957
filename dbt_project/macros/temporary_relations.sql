{#
  dbt's unit tests make a temporary table. Analysts may not make any (migrations make it so), but they may make tables in
  their own schema: in the target `dev` it is such a one for a moment.
#}
{% macro postgres__make_temp_relation(base_relation, suffix) %}
    {%- set relation = postgres__make_relation_with_suffix(base_relation, suffix, dstring=True) -%}
    {{ return(relation if target.name == 'dev' else relation.incorporate(path={'schema': none, 'database': none})) }}
{% endmacro %}

{% macro postgres__get_create_table_as_sql(temporary, relation, sql) -%}
    {{ return(create_table_as(temporary and target.name != 'dev', relation, sql)) }}
{%- endmacro %}
