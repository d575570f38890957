{#
  The number of the open candidate, given by whoever opened it; none where there is none. It is read when a statement is
  made and not while dbt reads the project: what dbt remembers of the project stays true from one candidate to the next.
#}
{% macro candidate() %}
    {%- set number = env_var('MESSAGE_TRACKING_CANDIDATE', '') if execute else '' -%}
    {{ return(number | int if number else none) }}
{% endmacro %}

{% macro hold_candidate() -%}
    {%- if target.name != 'dev' -%}
    select ops.hold_candidate({{ candidate() if candidate() is not none else 'null' }})
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

{# How each of our materializations begins: nothing is made of a model whose columns are not those of its contract. #}
{% macro begin_model() %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('hold_candidate') %}{{ hold_candidate() }}{% endcall %}
    {%- set contract = config.get('contract') -%}
    {% if contract and contract.enforced %}
        {{ get_assert_columns_equivalent(sql) }}
    {% endif %}
{% endmacro %}

{% macro end_model() %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
{% endmacro %}

{# Records that the candidate has built a model that keeps no versions, and so has opened and closed none. #}
{% macro record_without_versions() %}
    insert into ops.model_builds (publication_id, model, column_names, opened_count, closed_count)
    values ({{ candidate() }}, {{ dbt.string_literal(this.identifier) }}, '{}', 0, 0)
{% endmacro %}
