-- Recipients whom rules kept out of a delivery, and what recipients permit and refuse.

alter table ops.file_ledger drop constraint file_ledger_kind_check;
alter table ops.file_ledger add constraint file_ledger_kind_check
check (
    kind in (
        'tracking_log', 'deliveries', 'messages', 'tracked_urls', 'recipients', 'exclusions', 'consents', 'contents'
    )
);

create table raw.exclusions (
    load_id bigint not null references ops.file_ledger,
    superseded_by_load_id bigint references ops.file_ledger,
    delivery_id bigint not null,
    recipient_id bigint not null,
    reason text not null,
    modified_at timestamptz
);
create table raw.consents (
    load_id bigint not null references ops.file_ledger,
    superseded_by_load_id bigint references ops.file_ledger,
    recipient_id bigint not null,
    purpose text not null,
    is_allowed boolean,
    effective_at timestamptz not null
);
create unique index on raw.exclusions (delivery_id, recipient_id) where superseded_by_load_id is null;
create unique index on raw.consents (recipient_id, purpose, effective_at) where superseded_by_load_id is null;
create index on raw.exclusions (load_id);
create index on raw.consents (load_id);
create index on raw.exclusions (superseded_by_load_id) where superseded_by_load_id is not null;
create index on raw.consents (superseded_by_load_id) where superseded_by_load_id is not null;

comment on table raw.exclusions is
'Every version of every row of the export files of this name; the current one has no superseded_by_load_id.';
comment on table raw.consents is
'Every version of every row of the export files of this name; the current one has no superseded_by_load_id. What a recipient said at another time is another row.';
