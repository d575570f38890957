-- Schemas, their owner and who may read what (design: least privilege per role).
-- `migrate` has created the roles before the first migration runs: they are the server's, not the database's.

create schema raw;
create schema ops;
create schema staging;
create schema intermediate;
create schema mart_store;
create schema audit;
create schema marts;
create schema marts_private;

comment on schema raw is 'Every accepted event exactly once, rejected lines, reference data as pulled.';
comment on schema ops is 'File ledger, load positions, candidates, check results, publications.';
comment on schema staging is 'One view per raw table: renamed, typed, cut to the build window.';
comment on schema intermediate is 'State between staging and marts, versioned like the marts.';
comment on schema mart_store is 'Every version of every mart row that a kept publication needs.';
comment on schema audit is 'The marts as the open candidate would publish them.';
comment on schema marts is 'The marts as last approved.';
comment on schema marts_private is 'Published relations that hold personal data.';

grant usage on schema marts to bi_reader;
grant usage on schema marts_private, audit, staging, intermediate to tracking_analyst;
grant usage on schema ops to ops_reader;
grant bi_reader to tracking_analyst;

alter default privileges in schema marts grant select on tables to bi_reader;
alter default privileges in schema marts_private, audit, staging, intermediate grant select on tables to tracking_analyst;
alter default privileges in schema ops grant select on tables to ops_reader;
