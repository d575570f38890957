-- Rejected lines that were taken back in.

comment on column ops.file_ledger.rejected_count is
'Lines rejected by this pull. Below zero for a replay, which reads no line of the file and moves some from rejected to accepted or already loaded.';
comment on column raw.rejected_lines.replayed_by_load_id is
'The replay that took the line back in after a rule had changed; null as long as it is rejected.';
