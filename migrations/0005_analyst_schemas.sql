-- Analysts build changed marts into a schema of their own, from one publication, and touch nothing of the pipeline's.

-- A pinned session sees the pinned publication in audit, staging and intermediate too, so that what takes several
-- statements reads one publication while candidates come and go.
create or replace function ops.audit_publication() returns integer
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
    select case
        when coalesce(current_setting('message_tracking.publication', true), '') <> '' then ops.visible_publication()
        else coalesce(candidate_publication, live_publication)
    end
    from ops.publication_state
);
comment on function ops.audit_publication() is
'The publication that audit shows to this session: the pinned one, else the open candidate, else the live one.';

create or replace function ops.hold_candidate(candidate integer, lease interval default '15 minutes') returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    holding integer;
begin
    -- A build that reads an old publication would store old figures as new ones.
    if coalesce(current_setting('message_tracking.publication', true), '') <> '' then
        raise exception 'message_tracking.publication is set to %, so this session does not read the candidate it builds', current_setting('message_tracking.publication')
            using errcode = 'object_not_in_prerequisite_state',
            hint = 'Pins are for readers: take it out of PGOPTIONS, or `alter role … reset message_tracking.publication`.';
    end if;
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

create function ops.analyst_schema() returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    -- A longer name would be cut and might then be another login's.
    if octet_length(session_user) > 59 then
        raise exception 'the login % is too long to name a schema after it', session_user
            using errcode = 'name_too_long', hint = 'Use a login of at most 59 bytes.';
    end if;
    return 'dev_' || session_user;
end
$$;
comment on function ops.analyst_schema() is 'The name of the caller''s own schema, dev_<login>.';

create function ops.make_analyst_schema() returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    -- Within a security definer function current_user is the owner: the analyst is session_user.
    own text := ops.analyst_schema();
begin
    -- Two sessions of one login may ask at once.
    perform pg_advisory_xact_lock(hashtextextended('message-tracking ' || own, 0));
    execute format('create schema if not exists %I', own);
    execute format('comment on schema %I is %L', own, 'What ' || session_user || ' tries out with `message-tracking dev`. Nothing here is published.');
    -- A login that was dropped and made again finds the schema, but has lost its rights.
    execute format('grant usage, create on schema %I to %I', own, session_user);
    return own;
end
$$;
comment on function ops.make_analyst_schema() is
'Makes the caller''s own schema where it is missing and returns its name. The pipeline owns it, so it can always be cleared away; only the caller may use it.';

create function ops.drop_analyst_schema() returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own text := ops.analyst_schema();
begin
    execute format('drop schema if exists %I cascade', own);
    return own;
end
$$;
comment on function ops.drop_analyst_schema() is 'Drops the caller''s own schema with all that is in it and returns its name.';

revoke execute on function ops.analyst_schema(), ops.make_analyst_schema(), ops.drop_analyst_schema() from public;
grant execute on function ops.analyst_schema(), ops.make_analyst_schema(), ops.drop_analyst_schema() to tracking_analyst;

-- Models call functions of ops. The tables there stay closed, and so do the functions that only a build needs.
grant usage on schema ops to tracking_analyst;
revoke execute on function
    ops.hold_candidate(integer, interval),
    ops.undo_newer_than(integer),
    ops.forget_older_than(integer),
    ops.is_complete(text, text[]),
    ops.execute_patiently(text),
    ops.replace_view(text, text, text)
from public;
