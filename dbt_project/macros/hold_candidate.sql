{% macro hold_candidate() -%}
    {%- if target.name != 'dev' -%}
    select ops.hold_candidate({{ var('candidate') | int if var('candidate') is not none else 'null' }})
    {%- endif -%}
{%- endmacro %}
