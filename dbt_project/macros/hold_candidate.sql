{# Every write of a build begins so: it fails unless the candidate it was started for is the open one. #}
{% macro hold_candidate() -%}
    select ops.hold_candidate({{ var('candidate') | int if var('candidate') is not none else 'null' }})
{%- endmacro %}
