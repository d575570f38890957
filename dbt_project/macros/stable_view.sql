{#
  A plain view that is replaced only where its definition differs, so that reading it is never disturbed by a build. In
  the target `dev` it is dbt's own view.
#}
{% materialization stable_view, adapter='postgres' %}
    {%- if target.name == 'dev' -%}
        {{ return(materialization_view_default()) }}
    {%- endif -%}
    {%- set target_relation = this.incorporate(type='view') -%}

    {{ begin_model() }}
    {{ replace_view(target_relation, sql, statement_name='main') }}
    {% call statement('record_build') %}{{ record_without_versions() }}{% endcall %}
    {% do persist_docs(target_relation, model) %}
    {{ end_model() }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% macro replace_view(relation, definition, statement_name=none) %}
    {% call change_patiently(statement_name) %}
        select ops.replace_view(
            {{ dbt.string_literal(relation.schema) }}, {{ dbt.string_literal(relation.identifier) }}, $definition${{ definition }}$definition$
        )
    {% endcall %}
{% endmacro %}

{#
  Runs what takes an exclusive lock, and ends the transaction in the same message to the server: readers wait for the lock
  until then, and must not wait for dbt. A second lock in one transaction would keep them waiting behind the first one.
#}
{% macro change_patiently(statement_name=none) %}
    {%- set change = caller() -%}
    {% call statement(statement_name) %}
        {{ change }};
        commit;
        begin;
        {{ hold_candidate() }}
    {% endcall %}
{% endmacro %}
