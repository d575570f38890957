#!/bin/sh
# Run once by the Postgres image, on an empty volume: the same logins and databases as on the embedded server.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
    --set=warehouse_password="$WAREHOUSE_PASSWORD" --set=airflow_password="$AIRFLOW_DB_PASSWORD" \
    --set=reader_password="$READER_PASSWORD" <<'SQL'
create role tracking_pipeline login createrole password :'warehouse_password';
create role airflow login password :'airflow_password';
-- The report pages' login. `migrate`, which makes what groups are missing, gives this one its rights.
create role bi_reader;
grant bi_reader to tracking_pipeline with admin true, inherit false, set false;
create role bi_reader_login login password :'reader_password' in role bi_reader;
create database message_tracking owner tracking_pipeline;
create database airflow owner airflow;
revoke all on database message_tracking, airflow, postgres, template1 from public;
SQL
