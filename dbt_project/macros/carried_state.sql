{#
  What models are made of that carry their state from one publication to the next: the rows as they were published last, what
  the candidate has changed in a model before this one, and sums that are added to. In a full build there is nothing to go on
  from, and everything is a change. They read the stores, since the rows that were closed are in no view.
#}

{# The rows of a model as the live publication shows them, whatever of the candidate is built already. #}
{% macro live_rows(model_name) -%}
    (
        select * from mart_store.{{ model_name }}
        where {{ is_shown_by('live_publication from ops.publication_state') }}
    )
{%- endmacro %}

{#
  The rows that the candidate opened in a model that is built before this one, with `change` 1, and those it closed, with -1.
  Of a row that it changed it closed the old version and opened the new one.
#}
{% macro changes_of(model_name, is_full) -%}
    {%- set rows = ref(model_name) -%}
    {%- if is_full -%}
    select
        1 as change,
        *
    from {{ rows }}
    {%- else -%}
    {#- The number stands in the text: of a number that it sees late the planner believes that many rows have it. -#}
    select
        1 as change,
        *
    from mart_store.{{ model_name }}
    where valid_from = {{ candidate() or 0 }}
    union all
    select
        -1 as change,
        *
    from mart_store.{{ model_name }}
    where valid_to = {{ candidate() or 0 }}
    {%- endif -%}
{%- endmacro %}

{#
  Like `changes_of`, of models with rows by message, and besides the rows of touched messages that did not change: given
  with 1 as with -1, so that they add nothing. For what joins two models by message, whose rows change one without the other.
  Message 0 is no message: of its events only those that changed are given.
#}
{% macro changes_by_message(model_name, columns, is_full) -%}
    {%- set columns = (['delivery_id', 'message_id'] + columns) | join(', ') -%}
    {%- set rows = ref(model_name) -%}
    {%- set is_touched = is_touched_message(is_full) -%}
    {%- if is_full -%}
    select
        1 as change,
        {{ columns }}
    from {{ rows }}
    {%- else -%}
    select
        1 as change,
        {{ columns }}
    from {{ rows }}
    where {{ is_touched }} and message_id <> 0
    union all
    select
        -1 as change,
        {{ columns }}
    from {{ live_rows(model_name) }} as live_rows
    where {{ is_touched }} and message_id <> 0
    union all
    select
        change,
        {{ columns }}
    from ({{ changes_of(model_name, is_full) }}) as changed_rows
    where message_id = 0
    {%- endif -%}
{%- endmacro %}

{#
  Like `changes_of`, of the distinct values of some columns that begin the model's key: with `change` 1 where rows of the
  candidate have them, and with -1 where rows of the live publication had them. `flags` are conditions by name, true where
  they are of any of these rows.
#}
{% macro changes_of_distinct(model_name, columns, flags, is_full) -%}
    {%- set columns = columns | join(', ') -%}
    {%- set rows = ref(model_name) -%}
    {%- set values -%}
        {{ columns }}
        {%- for name, condition in flags.items() %},
        bool_or({{ condition }}) as {{ name }}
        {%- endfor %}
    {%- endset -%}
    {%- if is_full -%}
    select
        1 as change,
        {{ values }}
    from {{ rows }}
    group by {{ columns }}
    {%- else -%}
    {%- set is_changed -%}
        ({{ columns }}) in (select {{ columns }} from ({{ changes_of(model_name, is_full) }}) as changed_rows)
    {%- endset -%}
    select
        1 as change,
        {{ values }}
    from {{ rows }}
    where {{ is_changed }}
    group by {{ columns }}
    union all
    select
        -1 as change,
        {{ values }}
    from {{ live_rows(model_name) }} as live_rows
    where {{ is_changed }}
    group by {{ columns }}
    {%- endif -%}
{%- endmacro %}

{# Sums of changes, by key, added to the same sums as they were published last. `measures` are types by name. #}
{% macro add_to_live(changes, keys, measures, is_full) -%}
    select
        {%- for key in keys %}
        {{ changes }}.{{ key }},
        {%- endfor %}
        {%- for name, type in measures.items() %}
        {%- set sum = 'coalesce(' ~ changes ~ '.' ~ name ~ ', 0)' ~ ('' if is_full else ' + coalesce(live.' ~ name ~ ', 0)') %}
        {{ 'trim_scale(' ~ sum ~ ')' if type == 'numeric' else '(' ~ sum ~ ')::' ~ type }} as {{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ changes }}
    {%- if not is_full %}
    left join {{ live_rows(this.identifier) }} as live
        on
            {%- for key in keys %}
            {{ 'and ' if not loop.first }}{{ changes }}.{{ key }} = live.{{ key }}
            {%- endfor %}
    {%- endif %}
{%- endmacro %}
