{% macro reporting_time(instant) -%}
    ({{ instant }} at time zone '{{ var("reporting_time_zone") }}')
{%- endmacro %}

{% macro from_reporting_time(local_time) -%}
    (({{ local_time }}) at time zone '{{ var("reporting_time_zone") }}')
{%- endmacro %}
