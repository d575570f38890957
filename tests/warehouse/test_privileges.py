from itertools import product

import psycopg2
import pytest

from message_tracking.migrating import GROUPS, migrate
from message_tracking.warehouse import fetch_all

SCHEMAS = ("raw", "ops", "staging", "intermediate", "mart_store", "audit", "marts", "marts_private")

READABLE = {
    "bi_reader": {"marts"},
    "tracking_analyst": {"marts", "marts_private", "audit", "staging", "intermediate"},
    "ops_reader": {"ops"},
}


@pytest.fixture
def probes(connection):
    """A table and a view on it in every schema, made by the pipeline as dbt makes them."""
    with connection, connection.cursor() as cursor:
        for schema in SCHEMAS:
            cursor.execute(
                f"create table {schema}.probe (n integer); create view {schema}.probe_view as table {schema}.probe"
            )


@pytest.mark.parametrize(("group", "schema", "relation"), list(product(GROUPS, SCHEMAS, ("probe", "probe_view"))))
def test_each_group_reads_its_schemas_and_no_others(probes, connect_as, group, schema, relation):
    session = connect_as(group)
    if schema in READABLE[group]:
        assert fetch_all(session, f"select n from {schema}.{relation}") == []
    else:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            fetch_all(session, f"select n from {schema}.{relation}")


@pytest.mark.parametrize(("group", "schema"), list(product(GROUPS, (*SCHEMAS, "public"))))
def test_no_group_writes(probes, connect_as, group, schema):
    session = connect_as(group)
    changes = [f"create table {schema}.own (n integer)"]
    if schema != "public":
        changes += [
            f"insert into {schema}.probe values (1)",
            f"delete from {schema}.probe",
            f"drop table {schema}.probe",
        ]
    for change in changes:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege), session, session.cursor() as cursor:
            cursor.execute(change)


@pytest.mark.parametrize("group", GROUPS)
def test_only_the_pipeline_reads_the_person_key(connect_as, connection, group):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        fetch_all(connect_as(group), "select key from ops.person_key")
    assert fetch_all(connection, "select octet_length(key) from ops.person_key") == [(32,)]


@pytest.mark.parametrize("group", GROUPS)
def test_no_group_becomes_the_pipeline(connect_as, group):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        fetch_all(connect_as(group), "set role tracking_pipeline")


@pytest.mark.parametrize("group", GROUPS)
def test_no_group_moves_what_marts_shows(connect_as, group):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        fetch_all(connect_as(group), "update ops.publication_state set live_publication = 1 returning 1")


def test_a_view_of_marts_shows_private_tables_without_rights_on_them(connection, connect_as):
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "create table mart_store.shown as select 41 as n; create view marts.shown as table mart_store.shown"
        )
    assert fetch_all(connect_as("bi_reader"), "select n from marts.shown") == [(41,)]
    assert fetch_all(connect_as("tracking_analyst"), "select n from marts.shown") == [(41,)]


def test_a_readers_own_types_do_not_run_as_the_pipeline(connection, connect_as, administrator, database):
    """A function that runs with its owner's rights must find no name in the schema that the caller may write to."""
    administrator(f"grant temporary on database {database} to public")
    with connection, connection.cursor() as cursor:
        cursor.execute("create view marts.shown as select ops.visible_publication() as n")
    reader = connect_as("bi_reader")
    with reader, reader.cursor() as cursor:
        cursor.execute(
            """
            create function pg_temp.note(anything pg_catalog.text) returns boolean language plpgsql as $$
            begin
                raise exception 'ran as %', current_user;
            end
            $$;
            create domain pg_temp.text as pg_catalog.text check (pg_temp.note(value));
            create domain pg_temp.integer as pg_catalog.int4 check (pg_temp.note(value::pg_catalog.text));
            """
        )
        cursor.execute("select n from marts.shown")
        assert cursor.fetchall() == [(0,)]


def test_no_function_looks_for_names_in_temporary_schemas_first(connection):
    paths = fetch_all(
        connection,
        """
        select distinct array_to_string(proconfig, ' ')
        from pg_proc
        where pronamespace = 'ops'::regnamespace and (prosecdef or array_to_string(proconfig, ' ') ~ 'search_path')
        """,
    )
    assert paths == [("search_path=pg_catalog, pg_temp",)]


@pytest.mark.parametrize("group", GROUPS)
def test_no_group_makes_temporary_objects(warehouse, settings, connection, connect_as, group):
    migrate(warehouse, settings)
    for change in ("create temporary table own (n integer)", "create domain pg_temp.text as pg_catalog.text"):
        session = connect_as(group)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege), session, session.cursor() as cursor:
            cursor.execute(change)
    with connection, connection.cursor() as cursor:
        cursor.execute("create temporary table own (n integer)")
