-- The current row of a key is found by an index that also holds the superseded ones, so that a query may ask for both: those
-- that only a later load has superseded are still what a build sees.

drop index raw.deliveries_delivery_id_idx;
drop index raw.messages_message_id_idx;
drop index raw.tracked_urls_url_id_idx;
drop index raw.recipients_recipient_id_idx;
drop index raw.exclusions_delivery_id_recipient_id_idx;
drop index raw.consents_recipient_id_purpose_effective_at_idx;
drop index raw.contents_delivery_id_content_part_idx;

create unique index on raw.deliveries (delivery_id, superseded_by_load_id) nulls not distinct;
create unique index on raw.messages (message_id, superseded_by_load_id) nulls not distinct;
create unique index on raw.tracked_urls (url_id, superseded_by_load_id) nulls not distinct;
create unique index on raw.recipients (recipient_id, superseded_by_load_id) nulls not distinct;
create unique index on raw.exclusions (delivery_id, recipient_id, superseded_by_load_id) nulls not distinct;
create unique index on raw.consents (recipient_id, purpose, effective_at, superseded_by_load_id) nulls not distinct;
create unique index on raw.contents (delivery_id, content_part, superseded_by_load_id) nulls not distinct;
