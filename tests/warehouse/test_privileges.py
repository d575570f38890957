"""What each group of readers may do, and that everything else is refin_use: tried on whatever the catalog lists.

A relation, function or role that is added is tried without a change here; one that is to be open is named here.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg2
import pytest
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from message_tracking.migrating import GROUPS, login_name, migrate
from message_tracking.publication import open_candidate, publish
from message_tracking.warehouse import fetch_all

READABLE = {
    "bi_reader": {"marts"},
    "tracking_analyst": {"marts", "marts_private", "audit", "staging", "intermediate"},
    "ops_reader": {"ops"},
}
CLOSED = re.compile(r"ops\.(person_key|erased_.+)")
"""Relations of readable schemas that nobody but the pipeline reads."""

WITH_THE_OWNERS_RIGHTS = {
    "bi_reader": set(),
    "tracking_analyst": {
        "ops.analyst_schema()",
        "ops.audit_publication()",
        "ops.drop_analyst_schema()",
        "ops.make_analyst_schema()",
        "ops.visible_publication()",
    },
    "ops_reader": {"ops.audit_publication()", "ops.visible_publication()"},
}
"""What each group may call that runs as the pipeline. All else that it may call runs with the caller's own rights."""

PERSONAL = {"client_ip", "email", "first_name", "last_name", "requester_uuid"}
"""Columns that say who somebody is."""

REFUSALS = {
    errors.InsufficientPrivilege,
    errors.ObjectNotInPrerequisiteState,
    errors.FeatureNotSupported,
    errors.GeneratedAlways,
}
"""That a view cannot be written to at all, or a role have no members, is said before rights are looked at."""

OURS = r"nspname !~ '^(pg_|information_schema$|dev_)'"


@pytest.fixture
def probes(connection):
    """A table and a view on it in every schema, made by the pipeline as dbt makes them."""
    make_probes(connection)


def make_probes(connection: Connection) -> None:
    """Make them in every schema of the warehouse."""
    with connection, connection.cursor() as cursor:
        for (schema,) in fetch_all(
            connection, f"select nspname from pg_namespace where {OURS} and nspname <> 'public'"
        ):
            probe, view = sql.Identifier(schema, "probe"), sql.Identifier(schema, "probe_view")
            cursor.execute(sql.SQL("create table {} (n integer)").format(probe))
            cursor.execute(sql.SQL("create view {} as table {}").format(view, probe))


@dataclass(frozen=True)
class InUse:
    """A warehouse in use: what its catalog lists, the candidate that is open, and how the readers' logins get in."""

    relations: list[tuple[str, str, str, str]]
    """Schema, name, kind and the first column."""
    functions: list[tuple[str, str, bool, bool]]
    """`schema.name(argument types)`, a call with nulls, whether it runs as its owner, and whether it may change data."""
    roles: set[str]
    candidate_id: int
    urls: dict[str, str]

    def tried(
        self, group: str, statements: Iterable[sql.Composable | str]
    ) -> Iterator[tuple[str, type[Exception] | None]]:
        """Run each statement as a group's login, in a transaction that is undone; gives it with the error it met."""
        with closing(psycopg2.connect(self.urls[group])) as session, session.cursor() as cursor:
            for statement in statements:
                met: type[Exception] | None = None
                try:
                    cursor.execute(statement)
                except psycopg2.Error as error:
                    met = type(error)
                session.rollback()
                yield statement if isinstance(statement, str) else statement.as_string(session), met


@pytest.fixture(scope="module")
def in_use(archive):
    """The archive published and another candidate open, with a probe in every schema."""
    with archive.copy() as pipeline:
        publish(pipeline.warehouse, pipeline.settings, archive.candidate_id)
        candidate = open_candidate(pipeline.warehouse, "test", full=True)
        database = pipeline.settings.warehouse_url.rpartition("/")[2]
        with closing(pipeline.warehouse.connect("test")) as connection:
            make_probes(connection)
            yield InUse(
                fetch_all(connection, RELATIONS),
                fetch_all(connection, FUNCTIONS),
                {role for (role,) in fetch_all(connection, "select rolname from pg_roles")},
                candidate.publication_id,
                {group: f"{archive.server.url(login_name(group)).rpartition('/')[0]}/{database}" for group in GROUPS},
            )


RELATIONS = f"""
    select nspname, relname, relkind::text, attname
    from pg_class
    inner join pg_namespace on relnamespace = pg_namespace.oid
    inner join pg_attribute on attrelid = pg_class.oid and attnum = 1
    where relkind in ('r', 'p', 'v', 'm', 'f', 'S') and {OURS}
    order by 1, 2
"""

FUNCTIONS = f"""
    select
        format('%%s.%%s(%%s)', nspname, proname, pg_get_function_identity_arguments(pg_proc.oid)),
        format(
            'select %%I.%%I(%%s)%%s', nspname, proname,
            (
                select string_agg(format('null::%%s', format_type(type, null)), ', ' order by place)
                from unnest(proargtypes) with ordinality as arguments(type, place)
            ),
            case prokind when 'w' then ' over ()' end
        ),
        prosecdef,
        provolatile = 'v'
    from pg_proc
    inner join pg_namespace on pronamespace = pg_namespace.oid
    where {OURS}
    order by 1
"""


def test_the_catalog_lists_what_it_should(in_use):
    relations = {f"{schema}.{name}" for schema, name, _, _ in in_use.relations}
    assert relations > {"raw.events", "ops.person_key", "marts.deliveries", "marts_private.recipients", "audit.probe"}
    assert {function for function, *_ in in_use.functions} > WITH_THE_OWNERS_RIGHTS["tracking_analyst"]


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_reads_its_schemas_and_nothing_else(in_use, group):
    reads = [
        sql.SQL("select from {} limit 0").format(sql.Identifier(schema, name)) for schema, name, *_ in in_use.relations
    ]
    are_open = [
        schema in READABLE[group] and not CLOSED.fullmatch(f"{schema}.{name}") and kind != "S"
        for schema, name, kind, _ in in_use.relations
    ]
    found = list(in_use.tried(group, reads))
    assert [read for (read, met), is_open in zip(found, are_open, strict=True) if is_open and met] == []
    refused = [one for one, is_open in zip(found, are_open, strict=True) if not is_open]
    assert [one for one in refused if one[1] is not errors.InsufficientPrivilege] == []


def changes(schema: str, name: str, kind: str, column: str) -> Iterator[sql.Composable]:
    """Everything that would change a relation or what others may do with it."""
    names = {"relation": sql.Identifier(schema, name), "column": sql.Identifier(column)}
    texts = ["alter {what} {relation} rename to own", "drop {what} {relation}"]
    if kind == "S":
        texts += ["select nextval({text})", "select setval({text}, 1)"]
    else:
        texts += [
            "insert into {relation} default values",
            "update {relation} set {column} = default",
            "delete from {relation}",
            "lock table {relation} in access exclusive mode",
            "create rule own as on insert to {relation} do instead nothing",
        ]
    if kind in "rp":
        texts += ["truncate {relation}", "create index on {relation} ({column})"]
    what = sql.SQL({"S": "sequence", "v": "view", "m": "materialized view", "f": "foreign table"}.get(kind, "table"))
    text = sql.Literal(f'"{schema}"."{name}"')
    return (sql.SQL(one).format(what=what, text=text, **names) for one in texts)


@pytest.mark.parametrize("group", GROUPS)
def test_no_group_changes_any_relation(in_use, group):
    statements = [change for relation in in_use.relations for change in changes(*relation)]
    assert [one for one in in_use.tried(group, statements) if one[1] not in REFUSALS] == []


@pytest.mark.parametrize("group", GROUPS)
def test_no_group_calls_what_runs_as_the_pipeline_or_changes_data(in_use, group):
    calls = [
        call
        for function, call, is_owners, is_volatile in in_use.functions
        if (is_owners or is_volatile) and function not in WITH_THE_OWNERS_RIGHTS[group]
    ]
    assert [one for one in in_use.tried(group, calls) if one[1] is not errors.InsufficientPrivilege] == []


@pytest.mark.parametrize("group", ["bi_reader", "ops_reader"])
def test_only_analysts_see_who_somebody_is(in_use, group):
    columns = """
        select nspname, relname, attname from pg_attribute
        inner join pg_class on attrelid = pg_class.oid
        inner join pg_namespace on relnamespace = pg_namespace.oid
        where has_schema_privilege(nspname, 'usage') and has_column_privilege(pg_class.oid, attnum, 'select')
            and attname = any (%s)
    """
    with closing(psycopg2.connect(in_use.urls[group])) as session:
        assert fetch_all(session, columns, ([*PERSONAL],)) == []
    with closing(psycopg2.connect(in_use.urls["tracking_analyst"])) as session:
        assert ("marts_private", "recipients", "email") in fetch_all(session, columns, ([*PERSONAL],))


@pytest.mark.parametrize("group", GROUPS)
def test_no_group_makes_anything_or_becomes_another(in_use, group):
    own = {group, login_name(group)} | ({"bi_reader"} if group == "tracking_analyst" else set())
    schemas = {schema for schema, *_ in in_use.relations} | {"public"}
    statements = [
        *(
            sql.SQL(text).format(role=sql.Identifier(role), group=sql.Identifier(group))
            for role in in_use.roles - own
            for text in ("set role {role}", "set session authorization {role}", "grant {role} to {group}")
        ),
        *(
            sql.SQL(text).format(sql.Identifier(schema, "own"))
            for schema in schemas
            for text in (
                "create table {} (n integer)",
                "create view {} as select 1 as n",
                "create function {}() returns integer language sql return 1",
                "create sequence {}",
                "create domain {} as integer",
            )
        ),
        "create schema own",
        "create role own",
        "create extension vector",
        "create publication own for all tables",
        "create event trigger own on ddl_command_end execute function own()",
        "create foreign data wrapper own",
        "alter role tracking_pipeline password 'own'",
        "alter default privileges for role tracking_pipeline grant select on tables to public",
        "copy (select 1) to program 'true'",
        "copy (select 1) to '/tmp/own'",
        "select pg_read_file('postgresql.conf')",
        "select pg_ls_dir('.')",
        "select lo_import('/etc/hostname')",
        "select rolpassword from pg_authid",
        "select pg_reload_conf()",
        "set log_statement = 'none'",
    ]
    assert [one for one in in_use.tried(group, statements) if one[1] not in REFUSALS] == []
    attributes = "rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls"
    with closing(psycopg2.connect(in_use.urls[group])) as session:
        mine = fetch_all(
            session, f"select {attributes} from pg_roles where rolname = any (%s)", ([group, login_name(group)],)
        )
    assert mine == [(False,), (False,)]


@pytest.mark.parametrize(("group", "met"), [("bi_reader", errors.InvalidParameterValue), ("tracking_analyst", None)])
def test_only_analysts_pin_a_candidate(in_use, group, met):
    pinned = f"set message_tracking.publication = '{in_use.candidate_id}'; select from marts.deliveries"
    assert list(in_use.tried(group, [pinned])) == [(pinned, met)]


@pytest.mark.parametrize("group", GROUPS)
def test_only_the_pipeline_reads_the_person_key(connect_as, connection, group):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        fetch_all(connect_as(group), "select key from ops.person_key")
    assert fetch_all(connection, "select octet_length(key) from ops.person_key") == [(32,)]


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
