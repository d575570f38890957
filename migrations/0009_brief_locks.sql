-- What needs an exclusive lock on something that is read keeps no reader waiting for longer than a blink.

create or replace function ops.execute_patiently(statement text) returns void
language plpgsql as $$
declare
    patience constant interval := '5 minutes';
    started_at constant timestamptz := clock_timestamp();
begin
    -- Who queues for an exclusive lock behind a long read makes every later reader queue too: give up early, try again.
    loop
        begin
            perform set_config('lock_timeout', '50ms', true);
            execute statement;
            perform set_config('lock_timeout', '0', true);
            return;
        exception when lock_not_available then
            if clock_timestamp() > started_at + patience then
                raise exception 'a relation was in use at every moment of % and could not be changed: %', patience, statement
                    using errcode = 'lock_not_available',
                    hint = 'Look in pg_stat_activity for a session that has read it for long, or build again when fewer read.';
            end if;
            -- Not in step with whoever reads at regular times.
            perform pg_sleep(0.1 + 0.2 * random());
        end;
    end loop;
end
$$;
comment on function ops.execute_patiently(text) is
'Runs a statement of this project that needs one exclusive lock, in short attempts, so that readers hardly wait. End the transaction right after: readers queue until then.';
