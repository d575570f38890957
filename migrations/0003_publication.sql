-- Candidates, publications and what the gate found (design §2 and §7).
--
-- Functions that find names while they run have `pg_temp` last in their path: unnamed it is searched first for types,
-- and what a reader calls with the owner's rights must not take up the reader's own.

create table ops.publications (
    publication_id integer generated always as identity primary key,
    status text not null check (status in ('open', 'published', 'refused', 'abandoned', 'rolled_back')),
    base_publication_id integer not null,
    from_position bigint not null,
    to_position bigint not null,
    is_full boolean not null,
    holder text not null,
    has_session boolean not null default false,
    project_digest text,
    lease_until timestamptz not null,
    opened_at timestamptz not null default clock_timestamp(),
    published_at timestamptz,
    closed_at timestamptz,
    verdict text not null default '',
    event_count bigint not null default 0,
    is_kept boolean not null default false
);
comment on table ops.publications is
'Every candidate that was ever opened. Numbers are never used twice. It takes in the loads with from_position < position <= to_position.';
comment on column ops.publications.holder is 'Who builds it: a command with its host and process, or a DAG run.';
comment on column ops.publications.project_digest is 'Digest of the dbt project it was built from; where the next one differs, everything is computed anew.';
comment on column ops.publications.has_session is
'Its holder lives as long as a session that keeps the advisory lock (1836344174, publication_id), which everybody sees in pg_locks; else, as for a DAG run, until lease_until.';
comment on column ops.publications.event_count is 'Tracking events in the loads that it takes in; of a full build, in all loads up to its position.';
comment on column ops.publications.is_kept is 'Its rows are still in mart_store, so readers may pin it and a rollback may show it.';

create table ops.publication_state (
    is_only_row boolean primary key default true check (is_only_row),
    live_publication integer not null default 0,
    candidate_publication integer
);
insert into ops.publication_state default values;
comment on table ops.publication_state is
'One row. Publishing and rolling back are one update of live_publication, so every mart switches at once. 0: nothing was published yet.';

create function ops.audit_publication() returns integer
language sql stable security definer set search_path = pg_catalog, pg_temp
return (select coalesce(candidate_publication, live_publication) from ops.publication_state);
comment on function ops.audit_publication() is 'The publication that audit shows: the open candidate, else the live one.';

create function ops.visible_publication() returns integer
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    -- After a reset the setting is '' and not null.
    pinned text := nullif(current_setting('message_tracking.publication', true), '');
    live integer;
    candidate integer;
begin
    select live_publication, candidate_publication into live, candidate from ops.publication_state;
    if pinned is null then
        return live;
    end if;
    if pinned !~ '^[0-9]{1,9}$' then
        raise exception 'message_tracking.publication is %, which is no publication number', quote_literal(pinned)
            using errcode = 'invalid_parameter_value', hint = 'Numbers are in marts.publications. Back to the live one: reset message_tracking.publication.';
    end if;
    if exists (select from ops.publications where publication_id = pinned::integer and is_kept and status = 'published') then
        return pinned::integer;
    end if;
    -- Within a security definer function current_user is the owner: the reader is session_user.
    if pinned::integer = candidate and has_schema_privilege(session_user, 'audit', 'usage') then
        return candidate;
    end if;
    raise exception 'publication % cannot be read: it was never published, was rolled back or is no longer kept', pinned
        using errcode = 'invalid_parameter_value', hint = 'Kept publications are in marts.publications. Back to the live one: reset message_tracking.publication.';
end
$$;
comment on function ops.visible_publication() is
'The publication that marts shows to this session: the live one, or the one pinned with `set message_tracking.publication = ''41''`.';

create function ops.hold_candidate(candidate integer, lease interval default '15 minutes') returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    holding integer;
begin
    -- The share lock keeps everybody from opening another candidate until this transaction ends.
    select candidate_publication into holding from ops.publication_state for share;
    if candidate is null or holding is distinct from candidate then
        raise exception 'candidate % is not the open one (%), so nothing may be written for it', coalesce(candidate::text, '(none given)'), coalesce(holding::text, 'none is open')
            using errcode = 'object_not_in_prerequisite_state',
            hint = 'Another build has taken over, or none was opened. Build with `message-tracking build` or the DAG publish_tracking_marts.';
    end if;
    -- Models of one build run side by side: whoever finds the row taken leaves the renewal to the other.
    update ops.publications p set lease_until = clock_timestamp() + lease
    from (
        select publication_id from ops.publications
        where publication_id = candidate and lease_until < clock_timestamp() + lease / 2
        for no key update skip locked
    ) as mine
    where p.publication_id = mine.publication_id;
end
$$;
comment on function ops.hold_candidate(integer, interval) is
'Every write of a build calls this first, in its own transaction: it fails unless the candidate is the open one, keeps it open until the transaction ends and renews its lease.';

create function ops.undo_newer_than(publication integer) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    stored record;
    changed bigint;
    total bigint := 0;
begin
    for stored in select relname from pg_catalog.pg_class where relnamespace = 'mart_store'::regnamespace and relkind = 'r' loop
        execute format('delete from mart_store.%I where valid_from > $1', stored.relname) using publication;
        get diagnostics changed = row_count;
        total := total + changed;
        execute format('update mart_store.%I set valid_to = 2147483647 where valid_to > $1 and valid_to < 2147483647', stored.relname) using publication;
        get diagnostics changed = row_count;
        total := total + changed;
    end loop;
    return total;
end
$$;
comment on function ops.undo_newer_than(integer) is
'Takes back every row version that a publication above the given number opened or closed. Returns how many rows that were.';

create function ops.forget_older_than(publication integer) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    stored record;
    changed bigint;
    total bigint := 0;
begin
    for stored in select relname from pg_catalog.pg_class where relnamespace = 'mart_store'::regnamespace and relkind = 'r' loop
        execute format('delete from mart_store.%I where valid_to <= $1', stored.relname) using publication;
        get diagnostics changed = row_count;
        total := total + changed;
    end loop;
    return total;
end
$$;
comment on function ops.forget_older_than(integer) is
'Deletes the row versions that ended at or before the given publication, the oldest one kept. Returns how many rows that were.';

create view ops.build_window as
select publication_id, from_position, to_position, is_full
from ops.publications
where publication_id = ops.audit_publication();
comment on view ops.build_window is 'What the open candidate takes in; with none open, what the live publication took in.';

create table ops.model_builds (
    build_id bigint generated always as identity primary key,
    publication_id integer not null references ops.publications,
    model text not null,
    column_names text[] not null,
    opened_count bigint not null,
    closed_count bigint not null,
    built_at timestamptz not null default clock_timestamp()
);
create index on ops.model_builds (publication_id);
comment on table ops.model_builds is 'Each time a versioned model was built: how many row versions it opened and closed. Written in the model''s own transaction.';

create function ops.is_complete(model_name text, names text[]) returns boolean
language sql stable
return exists (
    select
    from ops.model_builds as builds
    inner join ops.publications as publications on builds.publication_id = publications.publication_id
    where
        builds.model = model_name
        and builds.column_names @> names
        and publications.status = 'published'
        and (publications.is_full or publications.from_position = 0)
);
comment on function ops.is_complete(text, text[]) is
'Whether a published build has computed these columns of a model for all of its rows. One that was refused, abandoned or rolled back was undone.';

create table ops.check_runs (
    check_run_id bigint generated always as identity primary key,
    publication_id integer not null references ops.publications,
    suite text not null,
    build_count bigint not null,
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp()
);
create index on ops.check_runs (publication_id);
comment on table ops.check_runs is 'A suite that ran to its end on a candidate. build_count: how many builds of models the candidate had when it began; one more makes the run worthless.';

create table ops.check_results (
    check_result_id bigint generated always as identity primary key,
    check_run_id bigint not null references ops.check_runs,
    relation text not null,
    check_name text not null,
    severity text not null check (severity in ('critical', 'warning')),
    is_success boolean not null,
    failing_count bigint not null,
    message text not null
);
create index on ops.check_results (check_run_id);
comment on table ops.check_results is 'One verdict of one check. failing_count: rows that break it, all of them counted.';

create table ops.failing_keys (
    check_result_id bigint not null references ops.check_results,
    failing_key jsonb not null
);
create index on ops.failing_keys (check_result_id);
comment on table ops.failing_keys is 'The keys of all rows that broke a check.';

create table ops.person_key (
    is_only_row boolean primary key default true check (is_only_row),
    key bytea not null
);
revoke all on ops.person_key from ops_reader;
comment on table ops.person_key is 'The secret that turns requester UUIDs into person_id. Only the pipeline reads it.';

-- A window aggregate: the state before a row is the last kept open; the row is kept where that is null or at least `within` old.
create function ops.keep_open(last_kept timestamptz, occurred_at timestamptz, within interval) returns timestamptz
language sql immutable parallel safe
return case when last_kept is null or occurred_at >= last_kept + within then occurred_at else last_kept end;
create aggregate ops.last_kept_open(timestamptz, interval) (sfunc = ops.keep_open, stype = timestamptz, parallel = safe);
comment on aggregate ops.last_kept_open(timestamptz, interval) is
'Over the opens of one message in order: the time of the last one that is kept, where an open nearer than the interval to the last kept one is a duplicate (spec 8.24).';

create function ops.url_decode(encoded text) returns text
language sql immutable strict parallel safe
return (
    select coalesce(string_agg(case when part[1] is null then part[2] else chr(get_byte(decode(part[1], 'hex'), 0)) end, '' order by place), '')
    from regexp_matches(
        replace(encoded, '+', ' '), '%(0[1-9A-Fa-f]|[1-9A-Fa-f][0-9A-Fa-f])|([^%]+|%)', 'g'
    ) with ordinality as found(part, place)
);
comment on function ops.url_decode(text) is 'Percent-decoding, byte by byte as Latin-1, which is enough to read ASCII names and numbers; %00 stays as it is.';

create function ops.url_parameter(parameters text, name text) returns text
language sql immutable strict parallel safe
return (
    select ops.url_decode(substring(pair from position('=' in pair) + 1))
    from unnest(string_to_array(parameters, '&')) with ordinality as pairs(pair, place)
    where position('=' in pair) > 0 and ops.url_decode(split_part(pair, '=', 1)) = name
    order by place
    limit 1
);
comment on function ops.url_parameter(text, text) is 'The value of the first parameter of exactly this name, decoded; null where there is none.';

create function ops.execute_patiently(statement text) returns void
language plpgsql as $$
begin
    -- Who queues for an exclusive lock behind a long read makes every later reader queue too: give up early, try again.
    for attempt in 1..60 loop
        begin
            perform set_config('lock_timeout', '100ms', true);
            execute statement;
            perform set_config('lock_timeout', '0', true);
            return;
        exception when lock_not_available then
            perform pg_sleep(0.5);
        end;
    end loop;
    raise exception 'a relation is in use and could not be changed within half a minute: %', statement
        using errcode = 'lock_not_available', hint = 'Look in pg_stat_activity for a session that has read it for long, then build again.';
end
$$;
comment on function ops.execute_patiently(text) is
'Runs a statement of this project that needs an exclusive lock, in short attempts, so that readers hardly wait.';

create function ops.replace_view(view_schema text, view_name text, definition text) returns boolean
language plpgsql as $$
declare
    replacement text := format('create or replace view %I.%I as %s', view_schema, view_name, definition);
    wanted text;
begin
    execute format('create temporary view replace_view_probe as %s', definition);
    wanted := pg_get_viewdef('pg_temp.replace_view_probe'::regclass);
    drop view pg_temp.replace_view_probe;
    if pg_get_viewdef(to_regclass(format('%I.%I', view_schema, view_name))) = wanted then
        return false;
    end if;
    begin
        perform ops.execute_patiently(replacement);
    exception when invalid_table_definition then
        -- Between staging and marts a column may go; the views that stand on this one are built again right after.
        if view_schema not in ('staging', 'intermediate') then
            raise;
        end if;
        execute format('drop view %I.%I cascade', view_schema, view_name);
        execute replacement;
    end;
    return true;
end
$$;
comment on function ops.replace_view(text, text, text) is
'Creates or replaces a view only where its definition differs, with short lock waits. Returns whether it did. Columns of published views can only be added at the end.';
