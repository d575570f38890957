{#
  What a test reads whose config says `where: touched <column>`: the rows that the candidate can have changed, as the suites
  do (expectations). All are touched when everything is computed anew; in the target `dev` there is no candidate.
#}
{% macro get_where_subquery(relation) %}
    {%- set where = config.get('where') or '' -%}
    {%- if not where.startswith('touched ') -%}
        {{ return(default__get_where_subquery(relation)) }}
    {%- elif is_full_build() -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set columns, touched = {
        'delivery_id': ('delivery_id', 'int_deliveries__touched'),
        'message_id': ('delivery_id, message_id', 'int_messages__touched'),
        'recipient_id': ('recipient_id', 'int_recipients__touched'),
    }[where.split(' ')[1]] -%}
    {%- set rows -%}
        (select * from {{ relation }} where ({{ columns }}) in (select {{ columns }} from intermediate.{{ touched }})) as touched_rows
    {%- endset -%}
    {{ return(rows) }}
{% endmacro %}
