{#
  What a test reads whose config says `where: touched <column>`: the rows that the candidate can have changed, as the suites
  do (expectations). All are touched when everything is computed anew; in the target `dev` there is no candidate.
#}
{% macro get_where_subquery(relation) %}
    {%- set where = config.get('where') or '' -%}
    {%- if not where.startswith('touched ') -%}
        {{ return(default__get_where_subquery(relation)) }}
    {%- elif target.name == 'dev' -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set column = where.split(' ')[1] -%}
    {%- set touched = {'delivery_id': 'int_deliveries__touched', 'recipient_id': 'int_recipients__touched'}[column] -%}
    {%- set rows -%}
        (select * from {{ relation }} where {{ column }} in (select {{ column }} from intermediate.{{ touched }})) as touched_rows
    {%- endset -%}
    {{ return(rows) }}
{% endmacro %}
