{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ target.schema if target.name == 'dev' else custom_schema_name or target.schema }}
{%- endmacro %}
