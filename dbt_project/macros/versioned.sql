{#
  Versioned rows (docs/adr/0001_versioned_rows.md). Every row of the model lives once in mart_store.<model>, with the
  publication it is valid from and the one it is valid to. A build compares the new rows with the current ones, closes
  those that differ or vanished and inserts those that are new, all stamped with the candidate's number, in one
  transaction. <schema>.<model> shows the open candidate, <published_schema>.<model> the live publication.

  config:
    unique_key        the columns of the grain, a list
    indexes           as in dbt-postgres, made on the store
    meta.looked_up_by       the columns of one more index; by default the grain
    meta.published_schema   where the published view goes; without it there is none

  A full build computes all rows. Which rows another build computes is the model's to say; without either it is all:
    meta.scope        {columns, relation, appended}: only current rows whose columns are in the relation are compared; the
                      model's query must give the new rows of that scope, and besides rows that are only ever added, of
                      which `appended` is true.
    meta.gone         a condition: the query gives the new row of every key that changes, and of this condition where the
                      key has no row any more (macros/carried_state.sql)

  A build that is repeated for the same candidate first takes back what the earlier try wrote.
  In the target `dev` it is a plain table with the same contract, comments and indexes.
#}
{% materialization versioned, adapter='postgres' %}
    {%- if target.name == 'dev' -%}
        {{ return(materialization_table_default()) }}
    {%- endif -%}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set store = api.Relation.create(database=this.database, schema='mart_store', identifier=this.identifier, type='table') -%}
    {%- set published_schema = config.get('meta', {}).get('published_schema') -%}

    -- Every transaction checks the candidate: one computes; then what needs an exclusive lock, each in one of its own, so
    -- briefly that readers hardly notice; the last one writes and is the only one that changes rows.
    {{ begin_model() }}
    {% call statement('new_rows') %}
        drop table if exists pg_temp.new_rows;
        -- On lines of its own: a model may end with a comment.
        create temporary table new_rows as
        {{ sql }}
        ;
        analyze new_rows;
    {% endcall %}
    {% do check_scope() %}
    {{ begin_next_transaction() }}

    {%- set columns = adapter.get_columns_in_relation(api.Relation.create(identifier='new_rows')) -%}
    {% do prepare_store(store, columns) %}
    {% do replace_view(target_relation, versions_shown(store, columns, 'ops.audit_publication()')) %}
    {% do persist_docs(target_relation, model) %}
    {% if published_schema %}
        {%- set published = api.Relation.create(database=this.database, schema=published_schema, identifier=this.identifier, type='view') -%}
        {% do replace_view(published, versions_shown(store, columns, 'ops.visible_publication()')) %}
        {% do persist_docs(published, model) %}
    {% endif %}
    {{ begin_next_transaction() }}

    {% call statement('main') %}
        {{ write_versions(store, columns, candidate()) }}
    {% endcall %}
    {% do index_store(store) %}
    {% call statement('drop_new_rows') %}drop table pg_temp.new_rows{% endcall %}

    {{ end_model() }}

    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#
  The rows of a store that one publication shows. The filter must stay uncorrelated: a function per row is many times
  slower. Most rows pass it, which the operators tell the planner (migration 0010). Its first condition names no column, so
  it is tested once and before any row: a pin on what cannot be read is an error even where no row would have been looked at.
#}
{% macro versions_shown(store, columns, publication) -%}
    select
        {%- for column in columns %}
        {{ adapter.quote(column.name) }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ store }}
    where
        (select {{ publication }}) is not null
        and {{ is_shown_by(publication) }}
{%- endmacro %}

{% macro is_shown_by(publication) -%}
    valid_from operator(ops.<=~) (select {{ publication }}) and valid_to operator(ops.>~) (select {{ publication }})
{%- endmacro %}


{#
  Refuses rows of keys that the candidate does not touch: neither would such rows be compared with the current ones, nor
  does the gate look at them.
#}
{% macro check_scope() %}
    {%- set scope = config.get('meta', {}).get('scope') -%}
    {% if scope %}
        {%- set columns = scope.columns | join(', ') -%}
        {%- set outside -%}
            select concat_ws(', ', {{ columns }})
            from new_rows
            where
                -- Not `not in`: what does not fit into memory it would look through once for each row.
                not exists (
                    select from {{ ref(scope.relation) }} as touched
                    where
                        {%- for column in scope.columns %}
                        {{ 'and ' if not loop.first }}touched.{{ column }} = new_rows.{{ column }}
                        {%- endfor %}
                )
                -- A full build may list none.
                and exists (select from {{ ref(scope.relation) }})
                and not ({{ scope.appended or 'false' }})
            limit 1
        {%- endset -%}
        {% for row in run_query(outside).rows %}
            {{ exceptions.raise_compiler_error(
                this.identifier ~ " gives rows of " ~ columns ~ " " ~ row[0] ~ ", which the candidate does not touch: limit the "
                ~ "model with is_touched() to what its scope names."
            ) }}
        {% endfor %}
    {% endif %}
{% endmacro %}


{# Makes the store where it is missing, adds columns that are new at the end, refuses what would change what readers know. #}
{% macro prepare_store(store, columns) %}
    {%- set existing = load_relation(store) -%}
    {%- set known = {} -%}
    {% for column in (adapter.get_columns_in_relation(existing) if existing else []) %}
        {% do known.update({column.name: column.data_type}) %}
    {% endfor %}
    {%- set names = columns | map(attribute='name') | list -%}
    {%- set removed = known | reject('in', names + ['valid_from', 'valid_to']) | list -%}
    {%- set not_null = [] -%}
    {% for name, column in model.columns.items() if column.constraints | selectattr('type', 'equalto', 'not_null') | list %}
        {% do not_null.append(name) %}
    {% endfor %}
    {% if removed %}
        {{ exceptions.raise_compiler_error(
            store ~ " holds column(s) that the model no longer gives: " ~ removed | join(', ')
            ~ ". Published columns are removed only by a migration, one release after the CHANGELOG announced it."
        ) }}
    {% endif %}
    {% for column in columns if column.name in known and known[column.name] != column.data_type %}
        {{ exceptions.raise_compiler_error(
            store ~ "." ~ column.name ~ " is " ~ known[column.name] ~ " and the model gives " ~ column.data_type
            ~ ". A published column keeps its type; another type needs a column of another name."
        ) }}
    {% endfor %}
    {% if not is_complete(store, names) and not is_full_build() %}
        {{ exceptions.raise_compiler_error(
            this.identifier ~ " is new or has new columns, so all of its rows must be computed once: "
            ~ "run `message-tracking recompute`."
        ) }}
    {% endif %}
    {% if not existing %}
        {% call statement('create_store') %}
            -- The two columns of every reader's filter stand first: that is where they are read fastest.
            create table {{ store }} as
            select 0 as valid_from, 0 as valid_to, new_rows.* from new_rows limit 0;
            alter table {{ store }} alter column valid_from set not null, alter column valid_to set not null;
            {% for name in not_null %}
            alter table {{ store }} alter column {{ adapter.quote(name) }} set not null;
            {% endfor %}
        {% endcall %}
    {% endif %}
    {%- set added = columns | rejectattr('name', 'in', known) | list if existing else [] -%}
    {% if added %}
        {% call change_patiently() %}
            select ops.execute_patiently($statement$
                alter table {{ store }}
                {%- for column in added %}
                add column {{ adapter.quote(column.name) }} {{ column.data_type }}
                {%- if column.name in not_null %},
                -- Rows of earlier publications never had it, so there is nothing to look through.
                add check (valid_from < {{ candidate() }} or {{ adapter.quote(column.name) }} is not null) not valid
                {%- endif %}{{ ',' if not loop.last }}
                {%- endfor %}
            $statement$)
        {% endcall %}
    {% endif %}
{% endmacro %}


{# Makes the indexes of a store that has none: once it is filled, which takes a fraction of the time. #}
{% macro index_store(store) %}
    {%- set has_none = run_query("select not exists (select from pg_index where indrelid = '" ~ store ~ "'::regclass)") -%}
    {% if has_none.columns[0][0] %}
        {% call statement('index_store') %}
            create index on {{ store }} (valid_from);
            create index on {{ store }} (valid_to) where valid_to < 2147483647;
            create index on {{ store }} ({{ (config.get('meta', {}).get('looked_up_by') or config.require('unique_key')) | join(', ') }});
        {% endcall %}
        {% do create_indexes(store) %}
    {% endif %}
{% endmacro %}


{% macro is_complete(store, names) %}
    {%- set found = run_query(
        "select ops.is_complete(" ~ dbt.string_literal(store.identifier) ~ ", array['" ~ names | join("', '") ~ "'])"
    ) -%}
    {{ return(found.columns[0][0]) }}
{% endmacro %}


{#
  Whether all rows are computed, from all there is. It is asked when a statement is made and not while dbt reads the project,
  and so that it is no source of the model that asks.
#}
{% macro is_full_build() %}
    {%- if not execute or target.name == 'dev' -%}
        {{ return(true) }}
    {%- endif -%}
    {%- set window = run_query("select coalesce(bool_or(is_full), false) from ops.build_window") -%}
    {{ return(window.columns[0][0]) }}
{% endmacro %}


{#
  Compares the new rows with the current ones: what stands on one side only is opened or closed. Both sides are read once,
  and only the rows in question.
#}
{% macro write_versions(store, columns, candidate) %}
    {%- set key = config.require('unique_key') | join(', ') -%}
    {#- A full build gives every row there is, so it also closes those of keys that are gone. -#}
    {%- set is_full = is_full_build() -%}
    {%- set scope = none if is_full else config.get('meta', {}).get('scope') -%}
    {%- set gone = none if is_full else config.get('meta', {}).get('gone') -%}
    -- A node may be built twice at once, by dbt and by a task that believes it dead: one after the other, then.
    lock table {{ store }} in share row exclusive mode;
    delete from {{ store }} where valid_from = {{ candidate }};
    update {{ store }} set valid_to = 2147483647 where valid_to = {{ candidate }};

    with compared as materialized (
        select
            current_row.place,
            new_row.*
        from (
            select * from new_rows
            {%- if gone %}
            where not ({{ gone }})
            {%- endif %}
        ) as new_row
        full join (
            select
                ctid as place,
                *
            from {{ store }}
            where
                valid_to = 2147483647
                {%- if scope %}
                and ({{ scope.columns | join(', ') }}) in (select {{ scope.columns | join(', ') }} from {{ ref(scope.relation) }})
                {%- elif gone %}
                and ({{ key }}) in (select {{ key }} from new_rows)
                {%- endif %}
        ) as current_row
            on
                {% for column in config.require('unique_key') %}new_row.{{ column }} = current_row.{{ column }} and {% endfor -%}
                (
                    {%- for column in columns %}new_row.{{ adapter.quote(column.name) }}{{ ', ' if not loop.last }}{% endfor -%}
                ) is not distinct from (
                    {%- for column in columns %}current_row.{{ adapter.quote(column.name) }}{{ ', ' if not loop.last }}{% endfor -%}
                )
        where current_row.place is null or new_row.{{ config.require('unique_key')[0] }} is null
    ),

    closed as (
        update {{ store }} as current_row
        set valid_to = {{ candidate }}
        from compared
        where current_row.ctid = compared.place
        returning 1
    ),

    opened as (
        insert into {{ store }} (
            valid_from, valid_to,
            {%- for column in columns %} {{ adapter.quote(column.name) }}{{ ',' if not loop.last }}{% endfor %}
        )
        select
            {{ candidate }}, 2147483647,
            {%- for column in columns %} {{ adapter.quote(column.name) }}{{ ',' if not loop.last }}{% endfor %}
        from compared
        where place is null
        returning 1
    )

    insert into ops.model_builds (publication_id, model, column_names, opened_count, closed_count)
    select
        {{ candidate }}, {{ dbt.string_literal(store.identifier) }}, array['{{ columns | map(attribute='name') | join("', '") }}'],
        (select count(*) from opened), (select count(*) from closed)
{% endmacro %}
