-- What the tables of a campaign's database looked like when they were last read: a change is told before it does harm.

create table ops.source_columns (
    source_id smallint not null references ops.sources,
    kind text not null,
    column_name text not null,
    data_type text not null,
    primary key (source_id, kind, column_name)
);

comment on table ops.source_columns is
'Columns of the tables that a source of kind postgres reads, as they were found by the last load that was not stopped.';
comment on column ops.source_columns.kind is 'The table of reference data that they are read for.';
comment on column ops.source_columns.column_name is 'With its table, as the source spells it.';
comment on column ops.source_columns.data_type is 'As the source''s information_schema names it.';

comment on column ops.file_ledger.head_digest is
'Of a tracking log SHA-256 of its first head_length bytes; of reference data of what its tables and columns are called, null where they have their usual names.';
