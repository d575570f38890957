-- Models that carry their state from one publication to the next look at what is new and no longer at whole deliveries.

-- Raw events are read by load. Their index by delivery cost a load more than anything but the rows themselves.
drop index raw.events_delivery_id_idx;

-- What a load has superseded is found without looking through all versions.
create index on raw.deliveries (superseded_by_load_id) where superseded_by_load_id is not null;
create index on raw.messages (superseded_by_load_id) where superseded_by_load_id is not null;
create index on raw.tracked_urls (superseded_by_load_id) where superseded_by_load_id is not null;
create index on raw.recipients (superseded_by_load_id) where superseded_by_load_id is not null;

create or replace view ops.build_window as
select publication_id, from_position, to_position, is_full or from_position = 0 as is_full
from ops.publications
where publication_id = ops.audit_publication();
comment on view ops.build_window is
'What the open candidate takes in; with none open, what the live publication took in. is_full: all there is up to to_position, and every row is computed anew.';
