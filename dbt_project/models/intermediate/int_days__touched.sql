{{ config(materialized='candidate_table', unique_key=['activity_date']) }}
{%- set is_full = is_full_build() -%}

with changes as (
    {{ changes_of('int_visitors__pages', is_full) }}
)

select distinct activity_date
from changes
