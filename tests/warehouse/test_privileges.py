from contextlib import closing
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


@pytest.fixture
def own_schema(connect_as):
    """An analyst's own schema with a table in it, and the analyst's session."""
    session = connect_as("tracking_analyst")
    with session, session.cursor() as cursor:
        cursor.execute("select ops.make_analyst_schema(), ops.make_analyst_schema()")
        assert cursor.fetchone() == ("dev_tracking_analyst_login", "dev_tracking_analyst_login")
        cursor.execute("create table dev_tracking_analyst_login.own as select 1 as n")
    return session


@pytest.fixture
def colleague(stranger, database, administrator):
    """A session of another analyst."""
    administrator(f"grant tracking_analyst to stranger_{database}")
    with closing(psycopg2.connect(stranger)) as session:
        yield session


def test_an_analyst_s_schema_is_their_own(own_schema, colleague, connect_as, connection):
    with own_schema, own_schema.cursor() as cursor:
        cursor.execute("grant all on schema dev_tracking_analyst_login to public")
        cursor.execute("grant all on dev_tracking_analyst_login.own to public")
    for session in (colleague, connect_as("bi_reader"), connect_as("ops_reader")):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="schema dev_tracking_analyst_login"):
            fetch_all(session, "select n from dev_tracking_analyst_login.own")
        session.rollback()
    ((other,),) = fetch_all(colleague, "select ops.make_analyst_schema()")
    assert other == f"dev_{colleague.info.user}"
    fetch_all(colleague, "select ops.drop_analyst_schema()")
    colleague.commit()
    assert fetch_all(own_schema, "select n from dev_tracking_analyst_login.own") == [(1,)]
    own_schema.rollback()
    # Whoever looks after the warehouse can clear it away, with personal data that was copied there.
    with connection, connection.cursor() as cursor:
        cursor.execute("drop schema dev_tracking_analyst_login cascade")


@pytest.mark.parametrize(
    "change",
    [
        "create schema of_my_own",
        "create schema dev_bi_reader_login",
        "alter schema dev_tracking_analyst_login rename to audit_2",
        "drop schema dev_tracking_analyst_login",
        "select ops.hold_candidate(1)",
        "select ops.undo_newer_than(0)",
        "select ops.forget_older_than(1)",
        "select ops.is_complete('deliveries', '{}')",
        "select ops.execute_patiently('drop table mart_store.probe')",
        "select ops.replace_view('marts', 'probe_view', 'select 2 as n')",
        "create function ops.hold_candidate() returns integer language sql return 1",
        "select nextval('ops.load_position')",
        "select from ops.build_window",
        "create view dev_tracking_analyst_login.raw_probe as table raw.probe",
    ],
)
def test_an_analyst_may_do_no_more(probes, own_schema, change):
    # A view may be made on what is closed, but not be read.
    reading = "; table dev_tracking_analyst_login.raw_probe" if change.startswith("create view") else ""
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), own_schema, own_schema.cursor() as cursor:
        cursor.execute(change + reading)


@pytest.mark.parametrize("group", ["bi_reader", "ops_reader"])
@pytest.mark.parametrize("call", ["make_analyst_schema", "drop_analyst_schema"])
def test_other_groups_have_no_schema_of_their_own(connect_as, group, call):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        fetch_all(connect_as(group), f"select ops.{call}()")


def test_an_analyst_s_own_functions_do_not_run_as_the_pipeline(own_schema):
    with own_schema, own_schema.cursor() as cursor:
        cursor.execute(
            """
            set search_path = dev_tracking_analyst_login, pg_catalog;
            create function note(anything pg_catalog.text) returns boolean language plpgsql as $$
            begin
                raise exception 'ran as %', current_user;
            end
            $$;
            create domain text as pg_catalog.text check (note(value));
            create function quote_ident(name pg_catalog.text) returns pg_catalog.text language sql return note(name)::pg_catalog.text;
            create function current_setting(name pg_catalog.text, boolean) returns pg_catalog.text language sql return note(name)::pg_catalog.text;
            create function analyst_schema() returns pg_catalog.text language sql return note('')::pg_catalog.text;
            """
        )
        with pytest.raises(psycopg2.errors.RaiseException, match="ran as tracking_analyst_login"):
            cursor.execute("savepoint tried; select 'a'::text")
        cursor.execute("rollback to tried")
        cursor.execute("select ops.make_analyst_schema(), ops.visible_publication(), ops.audit_publication()")
        assert cursor.fetchone() == ("dev_tracking_analyst_login", 0, 0)
        cursor.execute("select ops.drop_analyst_schema()")


def test_a_login_too_long_to_name_a_schema_gets_none(administrator, url_of, database):
    name = f"{database}_".ljust(60, "a")
    administrator(f"create role {name} login password 'secret'", f"grant tracking_analyst to {name}")
    try:
        with (
            closing(psycopg2.connect(f"postgresql://{name}:secret@{url_of('postgres').rpartition('@')[2]}")) as session,
            pytest.raises(psycopg2.errors.NameTooLong),
        ):
            fetch_all(session, "select ops.drop_analyst_schema()")
    finally:
        administrator(f"drop role {name}")
