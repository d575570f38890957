-- Other senders' events: they have no consecutive ids, and some of their lines are no events.

create table ops.hashed_ids (
    source_id smallint not null,
    counter bigint not null,
    primary key (source_id, counter)
);
comment on table ops.hashed_ids is
'One row per accepted line of a source with a dialect: a 64-bit hash of what the provider''s event has alone, by which it is known when it comes again. No foreign key: a row is checked for it each time, and there are as many as lines.';

alter table ops.file_ledger add column described_count bigint not null default 0;
alter table ops.file_ledger
add column event_count bigint not null generated always as (accepted_count - described_count) stored;
comment on column ops.file_ledger.described_count is
'Of the accepted lines those that are no events: they say what became of a message, or what its recipient wants. Only dialects have them.';
comment on column ops.file_ledger.event_count is 'Accepted lines that are rows of raw.events.';

comment on table raw.events is
'One row per accepted log line that is an event, for ever. Campaign''s ids are the signed 32-bit form of the hex digits (add 2^32 to a negative one for the form in the log), those of dialects hashes from 2^62 on.';
comment on column raw.events.prefix is
'The prefix character of the log id; h where the counter is a hash, as in dialects.';
comment on column raw.events.counter is
'The 64-bit counter of the log id, or a hash; with source_id and prefix the identity of the event.';
comment on column raw.events.field_12 is
'The optional twelfth field as logged; null where the line has eleven. Of a dialect the provider''s own id, to be searched for in its files.';
