-- What a suite had to check, so that a result that is missing shows, and which text of the suite was run (design §2).

alter table ops.check_runs add column expected_checks text[] not null default '{}';
alter table ops.check_runs add column suite_digest text not null default '';
comment on column ops.check_runs.expected_checks is
'The names of all checks that the suite holds; one without a row in ops.check_results makes the run worthless, and so does none at all.';
comment on column ops.check_runs.suite_digest is
'SHA-256 in hex of the files that declare the suite; where they differ by now, the run is worthless.';
comment on column ops.check_results.failing_count is
'Rows that break the check, all of them counted: as many as ops.failing_keys holds.';
comment on table ops.model_builds is
'Each time a model was built: how many row versions it opened and closed (a view none). Written in the model''s own transaction.';
