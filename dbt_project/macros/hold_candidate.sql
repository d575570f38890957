{% macro hold_candidate() -%}
    {%- if target.name != 'dev' -%}
    select ops.hold_candidate({{ var('candidate') | int if var('candidate') is not none else 'null' }})
    {%- endif -%}
{%- endmacro %}

{#
  Ends a transaction and begins the next one. It has to be said: dbt leaves `begin` to its driver, which says it once per
  session, and after a commit each statement would be a transaction of its own.
#}
{% macro begin_next_transaction() %}
    {{ adapter.commit() }}
    {% call statement('begin') %}
        begin;
        {{ hold_candidate() }}
    {% endcall %}
{% endmacro %}
