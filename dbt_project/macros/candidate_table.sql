{#
  Rows that are of the candidate alone, such as what it touches: a plain table that each candidate fills anew, analyzed, so
  that the planner knows how few they are. Of versions it would believe that a large candidate's rows are still shown.
  Filled by delete and insert: whoever reads it meanwhile reads on. In the target `dev` it is dbt's own table.
#}
{% materialization candidate_table, adapter='postgres' %}
    {%- if target.name == 'dev' -%}
        {{ return(materialization_table_default()) }}
    {%- endif -%}
    {%- set target_relation = this.incorporate(type='table') -%}

    {{ begin_model() }}
    {% if load_relation(this) is none %}
        {% call statement('create_table') %}
            create table {{ target_relation }} as select * from (
            {{ sql }}
            ) as rows_of_candidate limit 0;
            create index on {{ target_relation }} ({{ config.require('unique_key') | join(', ') }});
        {% endcall %}
    {% endif %}
    {% call statement('main') %}
        -- A node may be built twice at once, by dbt and by a task that believes it dead: one after the other, then.
        lock table {{ target_relation }} in share row exclusive mode;
        delete from {{ target_relation }};
        insert into {{ target_relation }}
        {{ sql }}
        ;
        analyze {{ target_relation }};
        {{ record_without_versions() }}
    {% endcall %}
    {% do persist_docs(target_relation, model) %}
    {{ end_model() }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
