{{ config(
    unique_key=['delivery_id', 'domain', 'failure_reason'],
    meta={'scope': {'columns': ['delivery_id'], 'relation': 'int_deliveries__touched'}}
) }}

with domain_indicators as (
    select * from {{ ref('domain_indicators') }}
    where {{ is_touched('delivery_id') }}
),

domain_bounces as (
    select * from {{ ref('int_domains__bounces') }}
    where {{ is_touched('delivery_id') }}
),

failure_reasons as (
    select * from {{ ref('failure_reasons') }}
)

select
    domain_bounces.delivery_id,
    domain_bounces.domain,
    domain_bounces.failure_reason,
    coalesce(failure_reasons.label, '') as failure_label,
    domain_bounces.error_count,
    domain_indicators.processed_count as domain_processed_count,
    {{ rate('domain_bounces.error_count', 'sum(domain_bounces.error_count) over (partition by domain_bounces.delivery_id)') }}
        as contribution_rate,
    {{ rate('domain_bounces.error_count', 'domain_indicators.processed_count') }} as breakdown_rate
from domain_bounces
inner join domain_indicators
    on domain_bounces.delivery_id = domain_indicators.delivery_id and domain_bounces.domain = domain_indicators.domain
left join failure_reasons on domain_bounces.failure_reason = failure_reasons.code
