{# Schemas are named in full: `audit` is `audit`, not `<target>_audit`. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name or target.schema }}
{%- endmacro %}
