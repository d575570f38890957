{% macro series_of(url_id, url_type) -%}
case
    when {{ url_id }} = 1 then 'opens'
    when {{ url_type }} = 1 then 'clicks'
    when {{ url_type }} = 5 then 'transactions'
end
{%- endmacro %}
