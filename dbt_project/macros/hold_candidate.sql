{% macro hold_candidate() -%}
    select ops.hold_candidate({{ var('candidate') | int if var('candidate') is not none else 'null' }})
{%- endmacro %}
