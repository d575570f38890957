import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest

from message_tracking.embedded import EmbeddedServer
from message_tracking.errors import ConfigurationError, MessageTrackingError
from message_tracking.migrating import GROUPS, migrate, read_migrations
from message_tracking.settings import PROJECT
from message_tracking.warehouse import Warehouse, fetch_all

ALL = sorted(file.stem for file in (PROJECT / "migrations").glob("*.sql"))


def execute(url, *statements):
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


@pytest.fixture
def empty(warehouse, url_of):
    """The test's warehouse as it was before the first migration."""
    schemas = fetch_all_of(
        warehouse.url, "select nspname from pg_namespace where nspname !~ '^(pg_|information|public)'"
    )
    execute(warehouse.url, *(f"drop schema {name} cascade" for (name,) in schemas))
    return warehouse


@pytest.fixture
def own_migrations(settings, tmp_path):
    """Settings whose migrations may be changed."""
    shutil.copytree(settings.migrations, tmp_path / "project" / "migrations")
    return replace(settings, project=tmp_path / "project")


def fetch_all_of(url, statement):
    with closing(psycopg2.connect(url)) as connection:
        return fetch_all(connection, statement)


def test_every_migration_is_applied_once_in_order(empty, settings):
    said = []
    assert migrate(empty, settings, dry_run=True) == ALL
    assert migrate(empty, settings, progress=said.append) == ALL
    assert said == [f"Applying {name}" for name in ALL]
    assert migrate(empty, settings, dry_run=True) == []
    assert migrate(empty, settings, progress=said.append) == []
    assert len(said) == len(ALL)


def test_a_dry_run_changes_nothing(empty, settings):
    migrate(empty, settings, dry_run=True)
    assert fetch_all_of(empty.url, "select to_regnamespace('ops')") == [(None,)]


def test_applied_migrations_are_recorded_with_their_checksums(warehouse, settings):
    recorded = fetch_all_of(warehouse.url, "select name, checksum from ops.migrations order by name")
    assert recorded == [(each.name, each.checksum) for each in read_migrations(settings.migrations)]


def test_the_person_key_is_made_once(empty, settings):
    migrate(empty, settings)
    (key,) = fetch_all_of(empty.url, "select key from ops.person_key")
    assert len(bytes(key[0])) == 32
    migrate(empty, settings)
    ((kept,),) = fetch_all_of(empty.url, "select key from ops.person_key")
    assert bytes(kept) == bytes(key[0])


def test_a_changed_migration_is_named(warehouse, own_migrations):
    changed = own_migrations.migrations / "0002_raw_and_ledger.sql"
    changed.write_text(changed.read_text() + "-- and more\n")
    with pytest.raises(MessageTrackingError, match="0002_raw_and_ledger has changed"):
        migrate(warehouse, own_migrations)


def test_a_missing_migration_is_named(warehouse, own_migrations):
    (own_migrations.migrations / f"{ALL[-1]}.sql").unlink()
    with pytest.raises(MessageTrackingError, match=f"{ALL[-1]} was applied, but is not in the project"):
        migrate(warehouse, own_migrations)


def test_a_migration_below_the_last_applied_one_is_refused(warehouse, own_migrations):
    (own_migrations.migrations / "0000_late.sql").write_text("select 1")
    with pytest.raises(MessageTrackingError, match="0000_late comes too late"):
        migrate(warehouse, own_migrations)


def test_a_failing_migration_leaves_nothing_and_can_be_mended(warehouse, own_migrations):
    failing = own_migrations.migrations / "9999_more.sql"
    failing.write_text("create table raw.half_done ();\nselect 1 / 0;\n")
    with pytest.raises(MessageTrackingError, match=r"9999_more failed(.|\n)*division by zero"):
        migrate(warehouse, own_migrations)
    assert fetch_all_of(warehouse.url, "select to_regclass('raw.half_done')::text") == [(None,)]
    failing.write_text("create table raw.done (share text default '100%');\n")
    assert migrate(warehouse, own_migrations) == ["9999_more"]


def test_a_second_migrate_waits_for_the_first(empty, settings, own_migrations):
    slow = own_migrations.migrations / "0001_schemas_and_roles.sql"
    slow.write_text(slow.read_text() + "select pg_sleep(1);\n")
    code = (
        "import sys; from dataclasses import replace; from pathlib import Path;"
        "from message_tracking.settings import Settings; from message_tracking.warehouse import Warehouse;"
        "from message_tracking.migrating import migrate;"
        "settings = replace(Settings.from_environment(), project=Path(sys.argv[1]));"
        "print(migrate(Warehouse(settings.warehouse_url), settings, progress=print))"
    )
    command = [sys.executable, "-c", code, str(own_migrations.project)]
    environment = os.environ | {"MESSAGE_TRACKING_WAREHOUSE": empty.url}
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0].splitlines()[-1] for process in running)
    assert [process.returncode for process in running] == [0, 0]
    assert said == [str(ALL), "[]"]


def test_a_warehouse_beside_another_one_uses_its_roles(server, administrator, settings, database):
    """Roles are the server's: the second database finds them there, and their logins."""
    other = f"{database}_other"
    administrator(f"create database {other} owner tracking_pipeline")
    try:
        warehouse = Warehouse(server.url().rpartition("/")[0] + "/" + other)
        assert migrate(warehouse, replace(settings, warehouse_url=warehouse.url)) == ALL
    finally:
        administrator(f"drop database {other} with (force)")


def test_an_administrators_login_prepares_a_server_of_its_own(empty, settings, url_of):
    owner = Warehouse(url_of("postgres"))
    assert migrate(owner, settings) == ALL
    owners = "select distinct nspowner::regrole::text from pg_namespace where nspname in ('raw', 'ops', 'marts')"
    assert fetch_all_of(owner.url, owners) == [("tracking_pipeline",)]
    with closing(owner.connect()) as connection:
        assert fetch_all(connection, "select current_user, session_user") == [("tracking_pipeline", "postgres")]


def test_a_login_that_may_act_as_the_pipeline_can_migrate(empty, settings, stranger, administrator):
    administrator(f"grant tracking_pipeline to {stranger.split('/')[2].split(':')[0]}")
    assert migrate(Warehouse(stranger), settings) == ALL
    assert migrate(Warehouse(stranger), settings) == []


def test_a_login_that_may_not_is_told_what_an_administrator_has_to_run(warehouse, settings, stranger):
    with pytest.raises(MessageTrackingError, match='grant "tracking_pipeline" to "stranger_') as raised:
        migrate(Warehouse(stranger), settings)
    assert "secret" not in str(raised.value)
    with pytest.raises(MessageTrackingError, match="may not see what was applied"):
        migrate(Warehouse(stranger), settings, dry_run=True)
    with pytest.raises(MessageTrackingError, match="message-tracking migrate"):
        Warehouse(stranger).connect()


def may_make_temporary_tables(url, role="public"):
    return fetch_all_of(url, f"select has_database_privilege('{role}', current_database(), 'temporary')") == [(True,)]


def test_only_the_pipeline_may_make_temporary_tables(warehouse, settings):
    assert may_make_temporary_tables(warehouse.url)
    migrate(warehouse, settings)
    assert not may_make_temporary_tables(warehouse.url)
    assert may_make_temporary_tables(warehouse.url, "tracking_pipeline")


def test_a_login_that_does_not_own_the_database_says_who_may_make_temporary_tables(
    empty, settings, stranger, administrator, database
):
    """The database is somebody else's, who lets the pipeline only make schemas there."""
    name = stranger.split("/")[2].split(":")[0]
    administrator(
        f"grant tracking_pipeline to {name}",
        f"alter database {database} owner to postgres",
        f"grant create on database {database} to tracking_pipeline",
    )
    said = []
    assert migrate(Warehouse(stranger), settings, progress=said.append) == ALL
    (told,) = [line for line in said if "revoke temporary" in line]
    statements = told.partition("this: ")[2]
    assert may_make_temporary_tables(empty.url)
    administrator(*filter(None, statements.split(";")))
    assert not may_make_temporary_tables(empty.url)
    assert may_make_temporary_tables(empty.url, "tracking_pipeline")
    said.clear()
    migrate(Warehouse(stranger), settings, progress=said.append)
    assert said == []


def test_the_roles_are_made_where_they_are_missing(new_home, settings):
    """A login that may only make roles and databases, on a server that knows nothing of the warehouse."""
    server = EmbeddedServer(new_home)
    server.start()
    execute(
        server.url("postgres"),
        "drop database message_tracking",
        "drop role tracking_pipeline",
        "create role own_admin login createrole password 'secret'",
        "create database own_warehouse owner own_admin",
    )
    port = server.url().rpartition(":")[2].split("/")[0]
    warehouse = Warehouse(f"postgresql://own_admin:secret@127.0.0.1:{port}/own_warehouse")
    said = []
    assert migrate(warehouse, replace(settings, warehouse_url=warehouse.url), progress=said.append) == ALL
    assert said[:4] == [f"Made the role {role}" for role in ("tracking_pipeline", *GROUPS)]
    assert migrate(warehouse, replace(settings, warehouse_url=warehouse.url)) == []
    with closing(warehouse.connect()) as connection:
        assert fetch_all(connection, "select current_user, count(*) from ops.person_key") == [("tracking_pipeline", 1)]
    can_login = "select count(*) from pg_roles where rolcanlogin and rolname ~ '^(bi_|tracking_|ops_)'"
    assert fetch_all_of(warehouse.url, can_login) == [(0,)]


def test_logins_whose_passwords_were_lost_get_new_ones(new_home, settings):
    server = EmbeddedServer(new_home)
    embedded = replace(settings, home=new_home, warehouse_url=None)
    warehouse = Warehouse(server.start())
    migrate(warehouse, embedded)
    before = server.credentials.path.read_text()
    migrate(warehouse, embedded)
    assert server.credentials.path.read_text() == before
    first = server.url("ops_reader_login")
    kept = {name: word for name, word in json.loads(before).items() if name != "ops_reader_login"}
    server.credentials.path.write_text(json.dumps(kept))
    migrate(warehouse, embedded)
    assert server.url("ops_reader_login") != first
    assert fetch_all_of(server.url("ops_reader_login"), "select count(*) from ops.file_ledger") == [(0,)]


def test_a_project_without_migrations_is_named(warehouse, settings, tmp_path):
    with pytest.raises(ConfigurationError, match="no migrations"):
        migrate(warehouse, replace(settings, project=tmp_path))
