-- Persons who asked to be forgotten (spec §7.11): the lists, the receipts, and how what comes later is known at the door.

alter table ops.file_ledger drop constraint file_ledger_kind_check;
alter table ops.file_ledger add constraint file_ledger_kind_check
check (
    kind in (
        'tracking_log', 'deliveries', 'messages', 'tracked_urls', 'recipients', 'exclusions', 'consents', 'erasures',
        'contents'
    )
);

create table raw.erasures (
    load_id bigint not null references ops.file_ledger,
    superseded_by_load_id bigint references ops.file_ledger,
    recipient_id bigint not null,
    requested_at timestamptz
);
create unique index on raw.erasures (recipient_id, superseded_by_load_id) nulls not distinct;
create index on raw.erasures (load_id);
create index on raw.erasures (superseded_by_load_id) where superseded_by_load_id is not null;
comment on table raw.erasures is
'Every version of every row of the export files of this name: who is to be erased. `message-tracking erase --listed` does it.';

create table ops.erasures (
    erasure_id bigint generated always as identity primary key,
    erased_at timestamptz not null default clock_timestamp(),
    requested_by text not null,
    recipient_count bigint not null,
    counts jsonb not null,
    not_ours jsonb not null
);
comment on table ops.erasures is
'One receipt per erasure that was done. It names nobody.';
comment on column ops.erasures.counts is
'What was deleted or changed: rows by table, files and places in them by kind.';
comment on column ops.erasures.not_ours is
'Where else these persons may be found: sources whose files are not the warehouse''s own, and files it could not rewrite.';

create table ops.erased_recipients (
    recipient_id bigint primary key,
    erasure_id bigint not null references ops.erasures
);
create table ops.erased_messages (
    message_id bigint primary key,
    erasure_id bigint references ops.erasures
);
create table ops.erased_persons (
    person_id uuid primary key,
    erasure_id bigint not null references ops.erasures
);
-- They say which numbers belong to somebody who asked to be forgotten.
revoke all on ops.erased_recipients, ops.erased_messages, ops.erased_persons from ops_reader;
comment on table ops.erased_recipients is
'Recipients whose rows are turned away when they come again.';
comment on table ops.erased_messages is
'Messages to them, whose events are turned away. Without erasure_id: it came after the erasure, and what was loaded of it before is erased by the next.';
comment on table ops.erased_persons is
'Requesters, as keyed hashes of their UUIDs, whose events are turned away.';

create function ops.amounts_only(parameters text) returns text
language sql immutable strict
return concat_ws(
    '&',
    'amount=' || substring(ops.url_parameter(parameters, 'amount') from '^[0-9]{1,15}(?:\.[0-9]+)?$'),
    'article=' || substring(ops.url_parameter(parameters, 'article') from '^[0-9]{1,9}$')
);
comment on function ops.amounts_only(text) is
'What figures are made of, of the parameters of an event; anything else may say who it was.';
