{% macro rate(part, base) -%}
    trim_scale(coalesce(({{ part }})::numeric / nullif({{ base }}, 0), 0))
{%- endmacro %}

{% macro estimated_for_population(measure, to_deliver_count, text_count) -%}
    case
        when coalesce({{ to_deliver_count }}, 0) > coalesce({{ text_count }}, 0)
            then round(({{ measure }})::numeric * {{ to_deliver_count }} / ({{ to_deliver_count }} - coalesce({{ text_count }}, 0)), 0)
        else 0
    end
{%- endmacro %}
