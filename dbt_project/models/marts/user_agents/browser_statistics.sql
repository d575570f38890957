{{ config(
    unique_key=['activity_date', 'name', 'version'],
    meta={'scope': {'columns': ['activity_date'], 'relation': 'int_days__touched'}}
) }}

{{ visitor_statistics('browser') }}
