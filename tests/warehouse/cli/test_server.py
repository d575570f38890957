import psycopg2
import pytest
from click.testing import CliRunner

from message_tracking.cli import main
from message_tracking.embedded import EmbeddedServer
from message_tracking.migrating import GROUPS


@pytest.fixture
def run(monkeypatch, new_home):
    """Run verbs on an embedded server of this test alone."""
    monkeypatch.setenv("MESSAGE_TRACKING_HOME", str(new_home))
    monkeypatch.delenv("MESSAGE_TRACKING_WAREHOUSE", raising=False)
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def run_elsewhere(monkeypatch, settings):
    """Run verbs on the test's warehouse, as on a server of one's own."""
    monkeypatch.setenv("MESSAGE_TRACKING_HOME", str(settings.home))
    monkeypatch.setenv("MESSAGE_TRACKING_WAREHOUSE", settings.warehouse_url)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def test_the_verbs_of_an_embedded_server(run, new_home):
    told = run("dsn", "--role", "bi_reader")
    assert (told.exit_code, told.stdout) == (1, "")
    assert "message-tracking migrate" in told.stderr

    told = run("migrate", "--dry-run")
    assert told.exit_code == 0
    assert told.stdout.splitlines()[0] == "Would apply 0001_schemas_and_roles"

    told = run("migrate")
    assert told.exit_code == 0
    assert "Applying 0001_schemas_and_roles\n" in told.stdout
    assert told.stdout.endswith("is up to date.\n")
    assert "Nothing to apply" in run("migrate").stdout

    for group in GROUPS:
        (url,) = run("dsn", "--role", group).stdout.splitlines()
        psycopg2.connect(url).close()

    assert run("stop-server").stdout == f"Stopped the embedded PostgreSQL in {new_home}.\n"
    assert run("stop-server").stdout == f"The embedded PostgreSQL in {new_home} was not running.\n"
    (url,) = run("dsn").stdout.splitlines()
    assert url == EmbeddedServer(new_home).url()
    psycopg2.connect(url).close()


def test_dsn_of_an_own_server_is_the_address_that_was_given(run_elsewhere, settings):
    assert run_elsewhere("dsn").stdout == f"{settings.warehouse_url}\n"
    told = run_elsewhere("dsn", "--role", "ops_reader")
    assert (told.exit_code, told.stdout) == (2, "")
    assert "grant ops_reader to" in told.stderr
    assert list(settings.home.iterdir()) == []


def test_migrate_of_an_own_server_makes_no_logins(run_elsewhere, settings):
    assert "Nothing to apply" in run_elsewhere("migrate").stdout
    assert list(settings.home.iterdir()) == []


def test_stopping_an_own_server_is_left_to_its_owner(run_elsewhere):
    told = run_elsewhere("stop-server")
    assert told.exit_code == 2
    assert "MESSAGE_TRACKING_WAREHOUSE" in told.stderr


def test_no_error_shows_a_password(run_elsewhere, monkeypatch):
    monkeypatch.setenv("MESSAGE_TRACKING_WAREHOUSE", "postgresql://user:secret@127.0.0.1:1/warehouse")
    told = run_elsewhere("migrate")
    assert told.exit_code == 1
    assert "127.0.0.1:1/warehouse" in told.stderr
    assert "secret" not in told.output
