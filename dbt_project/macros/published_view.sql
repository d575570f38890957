{#
  A mart that is a view over versioned models, and so is published in the same switch as they are: where its query reads a
  versioned model, <schema>.<mart> sees the open candidate and <published_schema>.<mart> the live publication. Tables that
  are not versioned may only be joined where their rows never change. In the target `dev` it is a plain table.
#}
{% materialization published_view, adapter='postgres' %}
    {%- if target.name == 'dev' -%}
        {{ return(materialization_table_default()) }}
    {%- endif -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set published_schema = config.require('meta').published_schema -%}
    {%- set published = api.Relation.create(database=this.database, schema=published_schema, identifier=this.identifier, type='view') -%}

    {{ begin_model() }}
    {{ replace_view(target_relation, sql, statement_name='main') }}
    {% do persist_docs(target_relation, model) %}
    {{ replace_view(published, as_published(sql)) }}
    {% do persist_docs(published, model) %}
    {% call statement('record_build') %}
        insert into ops.model_builds (publication_id, model, column_names, opened_count, closed_count)
        select {{ candidate() }}, {{ dbt.string_literal(this.identifier) }}, '{}', coalesce(sum(opened_count), 0), coalesce(sum(closed_count), 0)
        from (
            select distinct on (model) * from ops.model_builds
            where publication_id = {{ candidate() }} and model = any(array['{{ versioned_parents() | map(attribute='alias') | join("', '") }}'])
            order by model, build_id desc
        ) as parents
    {% endcall %}
    {{ end_model() }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{# The query with the versioned models that it reads as the live publication shows them. #}
{% macro as_published(sql) %}
    {%- set query = namespace(text=sql) -%}
    {% for node in versioned_parents() %}
        {%- set shown = api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) -%}
        {%- set store = api.Relation.create(database=node.database, schema='mart_store', identifier=node.alias, type='table') -%}
        {%- set columns = adapter.get_columns_in_relation(shown) -%}
        {%- set query.text = query.text | replace(shown | string, '(' ~ versions_shown(store, columns, 'ops.visible_publication()') ~ ')') -%}
    {% endfor %}
    {{ return(query.text) }}
{% endmacro %}

{% macro versioned_parents() %}
    {%- set parents = [] -%}
    {% for id in model.depends_on.nodes if id in graph.nodes and graph.nodes[id].config.materialized == 'versioned' %}
        {% do parents.append(graph.nodes[id]) %}
    {% endfor %}
    {{ return(parents) }}
{% endmacro %}
