-- A rejected line that is met again, as in a file that was sent again, is known by its bytes.

create index on raw.rejected_lines (md5(raw_line));
