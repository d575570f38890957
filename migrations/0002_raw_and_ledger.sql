-- What was read, from where, and the events themselves.

create table ops.sources (
    source_id smallint generated always as identity primary key,
    source text not null unique
);
comment on table ops.sources is 'One row per source name of sources.yml that was ever pulled.';

-- One row per pull of a file: the ledger. lines_read = accepted + rejected + already loaded + erased.
create table ops.file_ledger (
    load_id bigint generated always as identity primary key,
    source_id smallint not null references ops.sources,
    kind text not null check (kind in ('tracking_log', 'deliveries', 'messages', 'tracked_urls', 'recipients')),
    server text not null default '',
    file_name text not null,
    status text not null check (status in ('loaded', 'failed', 'ignored')),
    from_offset bigint not null default 0,
    to_offset bigint not null default 0,
    file_size bigint not null default 0,
    head_digest bytea,
    head_length integer not null default 0,
    modified_ns bigint,
    line_count bigint not null default 0,
    accepted_count bigint not null default 0,
    rejected_count bigint not null default 0,
    already_loaded_count bigint not null default 0,
    erased_count bigint not null default 0,
    replaced_byte_line_count bigint not null default 0,
    warnings jsonb not null default '[]',
    error text,
    sample_rejects jsonb not null default '[]',
    newest_event_at timestamptz,
    pulled_at timestamptz not null default clock_timestamp(),
    position bigint unique,
    check (line_count = accepted_count + rejected_count + already_loaded_count + erased_count),
    check ((status = 'loaded') = (position is not null))
);
create index on ops.file_ledger (source_id, kind, server, file_name);
comment on table ops.file_ledger is
'One row per pull of a file. Offsets and sizes in bytes of the file as stored; from_offset to to_offset is what this pull read.';
comment on column ops.file_ledger.position is
'Order in which pulls became visible, given under a lock at commit; what is new since a publication is what has a greater position.';
comment on column ops.file_ledger.status is
'loaded: its rows count. failed: nothing of it counts, the error says why. ignored: not named like a tracking log, left alone.';

create sequence ops.load_position;

-- The exactly-once ledger: ids per source, server and prefix character, as ranges (ids run consecutively).
create table ops.id_ranges (
    source_id smallint not null references ops.sources,
    server text not null,
    prefix "char" not null,
    loaded_ids int8multirange not null default '{}',
    other_ids int8multirange not null default '{}',
    primary key (source_id, prefix, server)
);
comment on table ops.id_ranges is
'Counters accepted from this server (loaded_ids) and counters read there but rejected or loaded elsewhere before (other_ids). A range that holds 2^63-1 has no upper bound.';

create function ops.missing_id_count(ids int8multirange) returns bigint
language sql immutable strict
return (
    select coalesce(sum(missing) filter (where missing <= 1000000), 0)::bigint
    from (
        select lower(r) - lag(upper(r)) over (order by lower(r)) as missing
        from unnest(ids) as t(r)
    ) as holes
);
comment on function ops.missing_id_count(int8multirange) is
'Ids missing between the ranges. A hole of more than a million is a new numbering and is not counted.';

create table raw.user_agents (
    user_agent_id integer generated always as identity primary key,
    digest bytea not null unique,
    user_agent text not null,
    browser text not null,
    browser_version text not null,
    operating_system text not null,
    operating_system_version text not null,
    device text not null
);
comment on table raw.user_agents is
'Each distinct User-Agent once (digest: sha256 of its UTF-8 text), parsed by ua-parser when first seen; '''' where the parser knows nothing.';

create table raw.events (
    occurred_at timestamptz not null,
    counter bigint not null,
    message_id bigint not null,
    delivery_id bigint not null,
    url_id bigint not null,
    load_id bigint not null,
    user_agent_id integer not null,
    source_id smallint not null,
    prefix "char" not null,
    has_replaced_bytes boolean not null,
    field_6 text not null,
    requester_uuid text not null,
    requester_type text not null,
    parameters text not null,
    client_ip text not null,
    field_12 text
) partition by range (occurred_at);
create index on raw.events (delivery_id);
create index on raw.events using brin (load_id) with (pages_per_range = 16);
comment on table raw.events is
'One row per accepted log line, for ever. Ids are the signed 32-bit form of the hex digits (add 2^32 to a negative one for the form in the log).';
comment on column raw.events.counter is 'The 64-bit counter of the log id; with source_id and prefix the identity of the event.';
comment on column raw.events.field_6 is 'Opaque; its meaning is not documented.';
comment on column raw.events.has_replaced_bytes is 'The line held bytes that are not UTF-8; they were replaced by U+FFFD.';
comment on column raw.events.client_ip is 'Field 11 as logged: an address, or an address, a comma and a proxy chain.';
comment on column raw.events.field_12 is 'The optional twelfth field as logged; null where the line has eleven.';

create table raw.rejected_lines (
    rejected_line_id bigint generated always as identity primary key,
    load_id bigint not null references ops.file_ledger,
    line_number bigint not null,
    byte_offset bigint not null,
    reason text not null,
    raw_line bytea not null,
    replayed_by_load_id bigint references ops.file_ledger
);
create index on raw.rejected_lines (load_id);
comment on table raw.rejected_lines is
'Lines that were not accepted, byte for byte (without the line feed). Line numbers start at 1 and offsets at 0; in a gzip both count the unpacked text.';

-- Reference data: append-only versions. A row that arrives again replaces the older one by naming the load that superseded it.
create table raw.deliveries (
    load_id bigint not null references ops.file_ledger,
    superseded_by_load_id bigint references ops.file_ledger,
    delivery_id bigint not null,
    internal_name text not null, label text not null, delivery_code text not null,
    channel integer, state integer, is_proof boolean, is_model boolean,
    typology_id bigint, campaign_id bigint,
    target_count bigint, rejected_count bigint, to_deliver_count bigint, text_count bigint, new_quarantine_count bigint,
    contact_at timestamptz, validity_at timestamptz, modified_at timestamptz
);
create table raw.messages (
    load_id bigint not null references ops.file_ledger,
    superseded_by_load_id bigint references ops.file_ledger,
    message_id bigint not null, delivery_id bigint, recipient_id bigint,
    address_domain text not null, status integer, failure_reason integer, is_seed boolean,
    event_at timestamptz, modified_at timestamptz
);
create table raw.tracked_urls (
    load_id bigint not null references ops.file_ledger,
    superseded_by_load_id bigint references ops.file_ledger,
    url_id bigint not null, delivery_id bigint, type integer,
    label text not null, category text not null, source_url text not null,
    occurrence integer, content_part text not null, offer_id bigint
);
create table raw.recipients (
    load_id bigint not null references ops.file_ledger,
    superseded_by_load_id bigint references ops.file_ledger,
    recipient_id bigint not null,
    first_name text not null, last_name text not null, email text not null, email_format integer,
    modified_at timestamptz
);
create unique index on raw.deliveries (delivery_id) where superseded_by_load_id is null;
create unique index on raw.messages (message_id) where superseded_by_load_id is null;
create unique index on raw.tracked_urls (url_id) where superseded_by_load_id is null;
create unique index on raw.recipients (recipient_id) where superseded_by_load_id is null;
create index on raw.messages (delivery_id);
create index on raw.tracked_urls (delivery_id);
create index on raw.deliveries (load_id);
create index on raw.messages (load_id);
create index on raw.tracked_urls (load_id);
create index on raw.recipients (load_id);

do $$
declare
    name text;
begin
    foreach name in array array['deliveries', 'messages', 'tracked_urls', 'recipients'] loop
        execute format(
            'comment on table raw.%I is %L', name,
            'Every version of every row of the export files of this name; the current one has no superseded_by_load_id.'
        );
    end loop;
end
$$;
