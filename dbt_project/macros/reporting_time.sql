{# An instant on the clock of the reporting time zone, which decides days, half hours and months in every mart. #}
{% macro reporting_time(instant) -%}
    ({{ instant }} at time zone '{{ var("reporting_time_zone") }}')
{%- endmacro %}

{# The instant at which the clock of the reporting time zone shows this time. #}
{% macro from_reporting_time(local_time) -%}
    (({{ local_time }}) at time zone '{{ var("reporting_time_zone") }}')
{%- endmacro %}
