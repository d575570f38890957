-- Message bodies and their links, for Hot clicks.

alter table ops.file_ledger drop constraint file_ledger_kind_check;
alter table ops.file_ledger add constraint file_ledger_kind_check
check (kind in ('tracking_log', 'deliveries', 'messages', 'tracked_urls', 'recipients', 'contents'));
comment on column ops.file_ledger.status is
'loaded: its rows count. failed: nothing of it counts, the error says why. ignored: not named like what is read in its folder, left alone.';

create table raw.contents (
    load_id bigint not null references ops.file_ledger,
    superseded_by_load_id bigint references ops.file_ledger,
    delivery_id bigint not null,
    content_part text not null check (content_part in ('html', 'text')),
    body bytea not null,
    digest bytea not null generated always as (sha256(body)) stored
);
create unique index on raw.contents (delivery_id, content_part) where superseded_by_load_id is null;
create index on raw.contents (load_id);
comment on table raw.contents is
'Every version of every message body; the current one of a delivery and part has no superseded_by_load_id. A load is of one file and so brings one body at most.';
comment on column raw.contents.body is 'The file, byte for byte.';

create table raw.content_links (
    load_id bigint not null references ops.file_ledger,
    delivery_id bigint not null,
    link_count integer not null,
    content_part text not null,
    source_url text not null
);
create index on raw.content_links (load_id);
comment on table raw.content_links is
'Which URLs the body that a load brought links to; it is current as long as that body is.';
comment on column raw.content_links.link_count is
'How often the URL is linked to in the body: its links have the occurrences 0 to link_count - 1.';
