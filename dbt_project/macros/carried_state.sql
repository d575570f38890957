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
