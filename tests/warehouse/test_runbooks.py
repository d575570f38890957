"""The runbooks of restoring and upgrading, followed to the letter on a warehouse that has data in it."""

import shutil
from contextlib import closing

import pytest
from tests.warehouse.conftest import FIXTURES, published_rows
from tests.warehouse.following import Reader, clone, scripts

from message_tracking.settings import PROJECT
from message_tracking.warehouse import Warehouse, fetch_all

CASE = FIXTURES / "golden" / "second-case"
RUNBOOKS = PROJECT / "docs" / "runbooks"
LINES = "select sum(line_count)::int, sum(accepted_count)::int, sum(rejected_count)::int from ops.file_ledger where kind = 'tracking_log'"
LOST = "drop schema raw, mart_store cascade; truncate ops.person_key"


def ask(reader, query):
    with closing(Warehouse(reader.server.url()).connect("test")) as connection:
        return fetch_all(connection, query)


def damage(reader):
    with (
        closing(Warehouse(reader.server.url()).connect("test")) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(LOST)


@pytest.fixture(scope="module")
def reader(tmp_path_factory, home_of_module):
    """A warehouse that has loaded and published one of the case's two servers."""
    reader = Reader(clone(tmp_path_factory.mktemp("clone")), home_of_module)
    landing = home_of_module / "landing" / "campaign"
    shutil.copytree(CASE / "exports", landing / "exports")
    shutil.copytree(CASE / "logs" / "edge-a", landing / "logs" / "edge-a")
    (home_of_module / "landing" / "golden").mkdir()
    reader.run(".venv/bin/message-tracking migrate")
    reader.run(".venv/bin/message-tracking run")
    return reader


def test_a_restored_warehouse_goes_on_without_loss_or_doubles(reader):
    pages = scripts(RUNBOOKS / "restore.md")
    (backup,) = pages["Back up"]
    assert len(pages["Restore"]) == 3
    reader.run(backup)
    # Read after the backup, so what the damage takes is in no dump.
    shutil.copytree(CASE / "logs" / "edge-b", reader.server.home / "landing" / "campaign" / "logs" / "edge-b")
    reader.run(".venv/bin/message-tracking run")
    before = published_rows(Warehouse(reader.server.url()))
    assert ask(reader, LINES) == [(758, 738, 20)]

    damage(reader)
    for script in pages["Restore"]:
        reader.run(script)
    assert published_rows(Warehouse(reader.server.url())) == before
    assert ask(reader, LINES) == [(758, 738, 20)]
    assert ask(reader, "select count(*) from raw.events") == [(738,)]
    assert reader.query("select count(*) > 0 from marts_private.recipients") == [(True,)]


def test_a_home_that_was_lost_is_restored_with_its_passwords(reader, new_home):
    for name in ("backup", "landing"):
        shutil.copytree(reader.server.home / name, new_home / name)
    shutil.copy(new_home / "backup" / "credentials.json", new_home)
    other = Reader(reader.project, new_home)
    for script in scripts(RUNBOOKS / "restore.md")["Restore"]:
        other.run(script)
    assert other.server.credentials.path.read_text() == reader.server.credentials.path.read_text()
    assert published_rows(Warehouse(other.server.url())) == published_rows(Warehouse(reader.server.url()))


def test_a_newer_release_migrates_a_warehouse_with_data_and_the_older_one_refuses_it(reader):
    before = published_rows(Warehouse(reader.server.url()))
    stop, migrate, recompute = [script for section in scripts(RUNBOOKS / "upgrade.md").values() for script in section]
    reader.run(stop)
    migration = reader.project / "migrations" / "9999_newer.sql"
    migration.write_text("alter table raw.deliveries add column newer text not null default 'x';\n")
    model = reader.project / "dbt_project" / "models" / "marts" / "deliveries" / "deliveries.sql"
    older = model.read_text()
    model.write_text(older + "-- changed\n")
    reader.run(migrate)
    assert ask(reader, "select count(*) from ops.migrations where name = '9999_newer'") == [(1,)]
    ((live,),) = ask(reader, "select live_publication from ops.publication_state")
    reader.run(recompute)
    ((newer,),) = ask(reader, "select live_publication from ops.publication_state")
    assert newer > live
    assert published_rows(Warehouse(reader.server.url())) == before

    migration.unlink()
    model.write_text(older)
    with pytest.raises(AssertionError, match="9999_newer was applied, but is not in the project"):
        reader.run(".venv/bin/message-tracking migrate")
    for script in scripts(RUNBOOKS / "restore.md")["Restore"][1:]:
        reader.run(script)
    assert published_rows(Warehouse(reader.server.url())) == before
