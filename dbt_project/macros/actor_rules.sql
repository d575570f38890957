{#
  The rules that tell people from machines, and what each weighs (docs/actors.md). A rule that spoke is a bit of the number
  that is kept with an event, so that nothing has to be judged anew to say why.
#}

{# Names of all rules; the place of each is its bit, so a new one goes to the end. #}
{% macro actor_rules() %}
    {{ return([
        'crawler_agent', 'image_proxy_agent', 'prefetch_agent', 'no_agent', 'machine_network', 'image_proxy_network',
        'soon_after_delivery', 'link_pair', 'link_burst', 'link_sweep', 'opt_out_in_burst', 'lure_link', 'beside_scan'
    ]) }}
{% endmacro %}

{# The number of the rules that spoke, given the condition of each. #}
{% macro rules_that_spoke(conditions) -%}
    (
        {%- for rule, condition in conditions.items() %}
        {{ '+ ' if not loop.first }}case when {{ condition }} then {{ rule_bit(rule) }} else 0 end
        {%- endfor %}
    )::smallint
{%- endmacro %}

{% macro rule_bit(rule) -%}
    {{ 2 ** actor_rules().index(rule) }}
{%- endmacro %}

{% macro has_spoken(rule, rules) -%}
    {{ rules }} & {{ rule_bit(rule) }} > 0
{%- endmacro %}

{# How much all rules that spoke weigh together; `weights` is a variable, of opens or of all other events. #}
{% macro weight_of(rules, weights) -%}
    (
        {%- for rule, weight in var(weights).items() %}
        {{ '+ ' if not loop.first }}case when {{ has_spoken(rule, rules) }} then {{ weight }} else 0 end
        {%- endfor %}
    )
{%- endmacro %}

{# The names of the rules that spoke, '' where none did. #}
{% macro names_of(rules) -%}
    concat_ws(
        ' '
        {%- for rule in actor_rules() %},
        case when {{ has_spoken(rule, rules) }} then '{{ rule }}' end
        {%- endfor %}
    )
{%- endmacro %}

{# Whether a class, kept as one letter, is of machines that act without a person: a prefetch or a scanner. #}
{% macro is_automatic(letter) -%}
    {{ letter }} in ('f', 's')
{%- endmacro %}

{# The word for a class that is kept as one letter. #}
{% macro actor_class_of(letter) -%}
    case {{ letter }}
        when 'p' then 'person'
        when 'i' then 'image_proxy'
        when 'f' then 'prefetch'
        when 's' then 'scanner'
        else 'unknown'
    end
{%- endmacro %}
