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
  Like `changes_of`, and besides the rows that did not change but are of the same key as one that did: all that the candidate
  shows of such a key with `change` 1, and all that was published of it last with -1. For what is no sum of rows, such as a
  distinct count, and so is counted anew for these keys. The key is columns that the model's own begins with.
#}
{% macro changes_by_key(model_name, key, columns, is_full) -%}
    {%- set columns = (key + columns) | join(', ') -%}
    {%- set key = key | join(', ') -%}
    {%- set rows = ref(model_name) -%}
    select
        1 as change,
        {{ columns }}
    from {{ rows }}
    {%- if not is_full %}
        {%- set is_changed -%}
            ({{ key }}) in (select {{ key }} from ({{ changes_of(model_name, is_full) }}) as changed_rows)
        {%- endset %}
    where {{ is_changed }}
    union all
    select
        -1 as change,
        {{ columns }}
    from {{ live_rows(model_name) }} as live_rows
    where {{ is_changed }}
    {%- endif %}
{%- endmacro %}

{# Events that changed, by `changes_by_message`, with the e-mail domain of their message; Others where it is not known. #}
{% macro event_changes_by_domain(columns, is_full) -%}
    select
        events.*,
        coalesce(messages.domain, 'Others') as domain
    from ({{ changes_by_message('int_tracking_events__judged', columns, is_full) }}) as events
    left join ({{ changes_by_message('message_engagement', ['domain'], is_full) }}) as messages
        on
            events.change = messages.change
            and events.delivery_id = messages.delivery_id
            and events.message_id = messages.message_id
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
