select
    delivery_id,
    typology_id,
    campaign_id,
    internal_name,
    label,
    delivery_code,
    channel,
    state,
    target_count,
    rejected_count,
    to_deliver_count,
    text_count,
    new_quarantine_count,
    coalesce(is_proof, false) as is_proof,
    coalesce(is_model, false) as is_model,
    contact_at,
    validity_at
from {{ source('raw', 'deliveries') }} as deliveries
where {{ is_current_version('deliveries') }}
