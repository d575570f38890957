{# A rate is a numeric fraction, neither rounded nor clamped, and 0 where its base is 0 (spec 4). #}
{% macro rate(part, base) -%}
    trim_scale(coalesce(({{ part }})::numeric / nullif({{ base }}, 0), 0))
{%- endmacro %}

{#
  Opens of text messages cannot be seen, so opens are extrapolated to them (spec 4.1):
  measure x to_deliver / (to_deliver - text), half away from zero, 0 where nothing is known to extrapolate to.
#}
{% macro estimated_for_population(measure, to_deliver_count, text_count) -%}
    case
        when coalesce({{ to_deliver_count }}, 0) > coalesce({{ text_count }}, 0)
            then round(({{ measure }})::numeric * {{ to_deliver_count }} / ({{ to_deliver_count }} - coalesce({{ text_count }}, 0)), 0)
        else 0
    end
{%- endmacro %}
