"""`message-tracking doctor` on installations that are really broken; each remedy is followed and makes it well again."""

import os
import shutil
import signal
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import psutil
import psycopg2
import pytest
from click.testing import CliRunner

from message_tracking.cli import main
from message_tracking.doctor import examine
from message_tracking.embedded import EmbeddedServer, open_warehouse
from message_tracking.local_airflow import COMPONENTS, Component, LocalAirflow
from message_tracking.migrating import login_name, read_migrations
from message_tracking.publication import abandon_open, open_candidate
from message_tracking.settings import PROJECT

SOURCES = "sources: [{name: campaign, kind: folder, path: landing}]\n"
LINE = "50x0000000000000001\t2026-01-05T10:00:00\t1\t1\t1\t0\t\t\t\tMozilla/5.0\t203.0.113.9\n"


@pytest.fixture
def installation(settings):
    """A healthy installation on the tests' server; its settings."""
    (settings.home / "sources.yml").write_text(SOURCES)
    logs = settings.home / "landing" / "logs" / "edge"
    logs.mkdir(parents=True)
    (logs / "0x0000000000000001.log").write_text(LINE)
    return replace(settings, sources_file=settings.home / "sources.yml")


def complaints(settings, **options):
    """What the doctor complains of: (check, severity, what, remedy)."""
    return [
        (diagnosis.check, complaint.severity, complaint.what, complaint.remedy)
        for diagnosis in examine(settings, **options)
        for complaint in diagnosis.complaints
    ]


def only_complaint(settings, **options):
    """The one complaint of a sick installation."""
    found = complaints(settings, **options)
    assert len(found) == 1, found
    return found[0]


def run(settings, *arguments):
    """Run a verb on an installation."""
    environment = {
        "MESSAGE_TRACKING_HOME": str(settings.home),
        "MESSAGE_TRACKING_WAREHOUSE": settings.warehouse_url or "",
        "MESSAGE_TRACKING_SOURCES": str(settings.sources_file),
    }
    return CliRunner().invoke(main, arguments, env=environment)


def test_a_healthy_installation_is_told_so_and_left_alone(installation, connection):
    before = sorted(installation.home.rglob("*"))
    told = run(installation, "doctor")
    lines = told.stdout.splitlines()
    assert told.exit_code == 0, told.stdout
    assert {line.split()[0] for line in lines} == {"ok"}
    assert "ledger" in told.stdout
    assert sorted(installation.home.rglob("*")) == before


def test_another_package_than_the_lock_s(installation, tmp_path):
    shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns(".*", "*.parquet", "tests"))
    lock = tmp_path / "project" / "requirements.txt"
    text = lock.read_text()
    lock.write_text(text.replace("click==", "click==0.1+was.") + "\nno-such-package==1.0\n")
    sick = replace(installation, project=tmp_path / "project")
    found = complaints(sick)
    assert [(check, severity) for check, severity, *_ in found] == [("packages", "error")] * 2
    assert "click is" in found[0][2]
    assert "no-such-package is not installed" in found[1][2]
    lock.write_text(text)
    assert complaints(sick) == []


def test_a_project_without_its_dbt_project(installation, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".*", "*.parquet", "tests"))
    (project / "dbt_project" / "dbt_project.yml").unlink()
    check, severity, what, _ = only_complaint(replace(installation, project=project))
    assert (check, severity) == ("project", "error")
    assert what == f"{project / 'dbt_project' / 'dbt_project.yml'} is missing."


def test_a_home_that_is_a_file(installation, tmp_path):
    file = tmp_path / "file"
    file.touch()
    check, _, what, remedy = complaints(replace(installation, home=file))[0]
    assert check == "home"
    assert str(file) in what
    assert "MESSAGE_TRACKING_HOME" in remedy


def test_little_disk_space_is_a_warning(installation):
    free = shutil.disk_usage(installation.home).free
    check, severity, what, remedy = only_complaint(installation, least_free_bytes=free * 2)
    assert (check, severity) == ("disk", "warning")
    assert str(installation.home) in what
    assert "Free space" in remedy


def test_passwords_that_others_can_read(installation):
    file = installation.home / "credentials.json"
    file.touch(mode=0o600)
    assert complaints(installation) == []
    file.chmod(0o644)
    check, _, what, remedy = only_complaint(installation)
    assert (check, what) == ("passwords", f"Others can read {file}.")
    assert f"chmod 600 {file}" in remedy
    file.chmod(0o600)
    assert complaints(installation) == []


def test_a_sources_file_that_is_no_yaml(installation):
    installation.sources_file.write_text("sources: [")
    check, _, what, remedy = only_complaint(installation)
    assert check == "sources"
    assert f"{installation.sources_file} is no YAML file" in what
    assert "config/sources.yml" in remedy


def test_a_source_whose_folder_is_away(installation):
    folder = installation.home / "landing"
    folder.rename(installation.home / "elsewhere")
    check, _, what, remedy = only_complaint(installation)
    assert (check, what) == ("sources", f"The folder of the source campaign is not there: {folder}.")
    assert "Mount or make it" in remedy
    folder.mkdir()
    assert complaints(installation) == []


def test_an_airflow_that_died(installation):
    airflow = LocalAirflow(installation)
    airflow.folder.mkdir()
    died = psutil.Process(os.getpid())
    airflow._remember([Component(name, died.pid, died.create_time() - 1) for name in COMPONENTS])
    check, severity, what, remedy = only_complaint(installation)
    assert (check, severity) == ("airflow", "warning")
    assert str(airflow.folder) in what
    assert "make up" in remedy


def test_an_embedded_server_that_is_missing_stopped_killed_or_not_migrated(new_home, installation):
    sick = replace(installation, home=new_home, warehouse_url=None)
    check, _, what, remedy = only_complaint(sick)
    assert (check, remedy) == ("server", "`message-tracking migrate` makes it.")

    open_warehouse(sick)
    check, severity, what, remedy = only_complaint(sick)
    assert (check, severity, remedy) == ("schema", "error", "Run `message-tracking migrate`.")
    assert run(sick, "migrate").exit_code == 0
    assert complaints(sick) == []

    server = EmbeddedServer(new_home)
    server.stop()
    check, _, what, remedy = only_complaint(sick)
    assert (check, remedy) == ("server", "`message-tracking dsn` starts it.")
    assert str(server.log) in what
    assert run(sick, "dsn").exit_code == 0
    assert complaints(sick) == []

    postmaster = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
    postmaster.send_signal(signal.SIGKILL)
    postmaster.wait(60)
    assert only_complaint(sick)[0] == "server"
    assert run(sick, "dsn").exit_code == 0
    assert complaints(sick) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("tracking_pipeline:", "tracking_pipeline:not"), "password authentication failed"),
        (lambda url: f"{url.rpartition('/')[0]}/nowhere", "does not exist"),
        (lambda url: "postgresql://u:p@127.0.0.1:1/warehouse", "Connection refused"),
    ],
    ids=["password", "database", "port"],
)
def test_an_address_that_leads_nowhere(installation, change, said):
    check, _, what, remedy = only_complaint(replace(installation, warehouse_url=change(installation.warehouse_url)))
    assert check == "server"
    assert said in what
    assert remedy


def test_a_database_of_another_encoding(installation, administrator, database):
    administrator(f"create database {database}_ascii template template0 encoding 'SQL_ASCII' locale 'C'")
    try:
        found = complaints(replace(installation, warehouse_url=f"{installation.warehouse_url}_ascii"))
    finally:
        administrator(f"drop database {database}_ascii")
    assert ("server", "error", "The database's encoding is SQL_ASCII.") in [one[:3] for one in found]


def test_migrations_that_are_missing_or_changed(installation, administrator):
    newest = read_migrations(PROJECT / "migrations")[-1].name
    administrator(f"delete from ops.migrations where name = '{newest}'")
    check, _, what, remedy = only_complaint(installation)
    assert (check, remedy) == ("schema", "Run `message-tracking migrate`.")
    assert newest in what
    administrator("update ops.migrations set checksum = 'other' where name like '0001%'")
    check, _, what, _ = only_complaint(installation)
    assert check == "schema"
    assert "0001_schemas_and_roles has changed" in what


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("revoke usage on schema marts from bi_reader", "bi_reader may not look into the schema marts."),
        ("grant usage on schema raw to ops_reader", "ops_reader may look into the schema raw."),
    ],
)
def test_rights_that_were_changed(installation, administrator, damage, said):
    administrator(damage)
    check, _, what, remedy = only_complaint(installation)
    assert (check, what) == ("rights", said)
    administrator(remedy.removeprefix("Run: "))
    assert complaints(installation) == []


def test_a_mart_that_readers_may_not_read(installation, administrator, connection):
    with connection, connection.cursor() as cursor:
        cursor.execute("create view marts.shown as select 1 as one")
    administrator("revoke select on marts.shown from bi_reader")
    check, _, what, remedy = only_complaint(installation)
    assert (check, what) == ("rights", "bi_reader may not read these of the schema marts: shown.")
    administrator(remedy.removeprefix("Run: "))
    assert complaints(installation) == []


def test_a_candidate_that_was_left_behind(installation, warehouse):
    assert run(installation, "load").exit_code == 0
    open_candidate(warehouse, "message-tracking on somewhere", lease=timedelta(hours=1))
    assert complaints(installation) == []
    abandon_open(warehouse, force=True)
    open_candidate(warehouse, "message-tracking on somewhere", lease=timedelta(0))
    check, severity, what, remedy = only_complaint(installation)
    assert (check, severity) == ("publications", "warning")
    assert "message-tracking on somewhere" in what
    assert "message-tracking abandon" in remedy
    assert run(installation, "abandon").exit_code == 0
    assert complaints(installation) == []


def test_a_live_publication_that_is_not_kept(installation, administrator):
    administrator("update ops.publication_state set live_publication = 7")
    check, _, what, remedy = only_complaint(installation)
    assert check == "publications"
    assert "publication 7" in what
    assert "rollback" in remedy


def test_a_reader_who_holds_a_lock_of_ours(installation, url_of):
    with closing(psycopg2.connect(url_of(login_name("bi_reader")))) as reader, reader.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(7)")
        check, severity, what, remedy = only_complaint(installation)
        assert (check, severity) == ("locks", "warning")
        assert "bi_reader_login" in what
        assert f"pg_terminate_backend({reader.info.backend_pid})" in remedy
    assert complaints(installation) == []


def test_a_ledger_whose_sums_are_not_what_is_in_raw(installation, administrator):
    assert run(installation, "load").exit_code == 0
    assert complaints(installation) == []
    administrator("delete from raw.events")
    check, severity, what, _ = only_complaint(installation)
    assert (check, severity) == ("ledger", "error")
    assert what == "raw.events has 0 rows, ops.file_ledger says 1."
    assert run(installation, "doctor").exit_code == 1


def test_sessions_that_keep_others_waiting(installation, warehouse, monkeypatch):
    monkeypatch.setattr("message_tracking.doctor.LONGEST_IDLE_SECONDS", 0)
    with closing(warehouse.connect("the sleeper")) as sleeper, sleeper.cursor() as cursor:
        cursor.execute("select 1")
        check, severity, what, remedy = only_complaint(installation)
        assert (check, severity) == ("sessions", "warning")
        assert "the sleeper" in what
        assert f"pg_terminate_backend({sleeper.info.backend_pid})" in remedy
