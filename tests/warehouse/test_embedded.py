import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import closing
from itertools import product
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2.extras import wait_select

from message_tracking import embedded
from message_tracking.embedded import EmbeddedServer
from message_tracking.errors import MessageTrackingError


def query(url: str, statement: str):
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None


def process_of(server: EmbeddedServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def kill(server: EmbeddedServer) -> None:
    process = process_of(server)
    os.kill(process, signal.SIGKILL)
    while server.is_running():
        pass


@pytest.fixture
def new_server(new_home):
    return EmbeddedServer(new_home)


@pytest.fixture
def system_folder(monkeypatch, new_home):
    """Stands for /var/lib/message-tracking."""
    monkeypatch.setattr(embedded, "SYSTEM_FOLDER", new_home / "system")
    return embedded.SYSTEM_FOLDER


def test_a_start_makes_the_server_and_a_second_one_finds_it(new_server):
    assert not new_server.is_running()
    url = new_server.start()
    process = process_of(new_server)
    assert query(url, "select current_user || ' ' || current_database()") == "tracking_pipeline message_tracking"
    assert new_server.is_running()
    assert EmbeddedServer(new_server.home).start() == url
    assert process_of(new_server) == process
    assert new_server.stop()
    assert not new_server.stop()
    assert not new_server.is_running()


def test_settings_of_a_new_server(server):
    shown = {
        name: query(server.url("postgres"), f"show {name}")
        for name in (
            "server_encoding", "TimeZone", "listen_addresses", "unix_socket_directories", "password_encryption",
            "max_connections", "max_wal_size", "jit",
        )
    }  # fmt: skip
    assert shown == {
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "max_connections": "200",
        "max_wal_size": "4GB",
        "jit": "off",
    }


def test_text_sorts_by_code_point(server):
    assert query(server.url(), "select string_agg(t, '' order by t) from unnest(array['b', 'é', 'B', 'a']) t") == "Babé"
    assert query(server.url(), "select lower('ÉA')") == "éa"


@pytest.mark.parametrize("login", ["postgres", "tracking_pipeline", "airflow", "bi_reader_login"])
def test_nobody_is_trusted(server, login):
    url = server.url(login)
    assert query(url, "select current_user") == login
    password = server.credentials.get(login)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(url.replace(password, "wrong"))
    with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
        psycopg2.connect(url.replace(f":{password}", ""))


@pytest.mark.parametrize(
    ("login", "database"),
    [
        *product(
            ("bi_reader_login", "tracking_analyst_login", "ops_reader_login"), ("airflow", "postgres", "template1")
        ),
        ("airflow", "message_tracking"),
        ("airflow", "postgres"),
        ("tracking_pipeline", "airflow"),
    ],
)
def test_logins_reach_their_own_database_only(server, login, database):
    url = server.url(login).rpartition("/")[0]
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(f"{url}/{database}")


def test_airflow_owns_its_database(server):
    assert server.airflow_url().startswith("postgresql+psycopg2://airflow:")
    url = server.airflow_url().replace("+psycopg2", "")
    assert query(url, "create table probe (); drop table probe; select current_database()") == "airflow"


def test_a_killed_server_starts_again_with_its_data(new_server):
    url = new_server.start()
    query(url, "create table kept as select 41 as answer")
    kill(new_server)
    assert new_server.start() == url
    assert query(url, "select answer from kept") == 41


def test_a_start_waits_for_a_session_that_a_killed_server_left_at_work(new_server):
    url = new_server.start()
    with closing(psycopg2.connect(url, async_=1)) as session:
        wait_select(session)
        session.cursor().execute("select count(*) from generate_series(1, 2000) a, generate_series(1, 10000) b")
        at_work = "select count(*) from pg_stat_activity where query ~ 'generate_series' and pid <> pg_backend_pid()"
        while not query(url, at_work):
            pass
        kill(new_server)
        assert new_server.start() == url
    assert "still in use" in new_server.log.read_text()
    assert query(url, "select 41") == 41


def test_a_number_that_is_now_another_programs_does_not_keep_it_down(new_server):
    url = new_server.start()
    kill(new_server)
    note = new_server.data / "postmaster.pid"
    note.write_text("\n".join((str(os.getpid()), *note.read_text().splitlines()[1:], "")))
    assert not new_server.stop()
    assert new_server.start() == url
    assert process_of(new_server) != os.getpid()


def test_addresses_stay_unless_a_stranger_has_the_port(new_server):
    url = new_server.start()
    query(url, "create table kept as select 41 as answer")
    new_server.stop()
    assert new_server.start() == url
    new_server.stop()
    with socket.create_server(("127.0.0.1", urlsplit(url).port)):
        other = new_server.start()
        assert other != url
        assert query(other, "select answer from kept") == 41
    assert new_server.start() == other


def test_two_starts_at_once_make_one_server(new_server):
    command = [sys.executable, "-c", "from message_tracking.cli import main; main()", "dsn"]
    environment = os.environ | {"MESSAGE_TRACKING_HOME": str(new_server.home)}
    starting = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    urls = {process.communicate(timeout=60)[0].strip() for process in starting}
    assert [process.returncode for process in starting] == [0, 0, 0]
    assert urls == {new_server.url()}
    assert new_server.is_running()


def test_a_server_that_was_killed_while_it_was_made_is_made_anew(new_server):
    new_server.start()
    new_server.stop()
    unfinished = new_server.folder / "data.new"
    new_server.data.rename(unfinished)
    (unfinished / "PG_VERSION").unlink()
    assert query(new_server.start(), "select current_database()") == "message_tracking"
    assert not unfinished.exists()


def test_a_copied_home_is_another_warehouse(new_home):
    original, copy = EmbeddedServer(new_home / "original"), EmbeddedServer(new_home / "copy")
    try:
        url = original.start()
        query(url, "create table told_apart ()")
        original.stop()
        subprocess.run(["/bin/cp", "-rp", str(original.home), str(copy.home)], check=True)
        original.start()
        assert not copy.is_running()
        assert copy.start() != url
        query(copy.url(), "drop table told_apart")
        assert query(original.start(), "select to_regclass('told_apart')::text") == "told_apart"
    finally:
        original.stop()
        copy.stop()


def test_lost_passwords_are_named(new_server):
    new_server.start()
    new_server.credentials.path.rename(new_server.home / "kept.json")
    with pytest.raises(MessageTrackingError, match=r"credentials\.json lacks the password of postgres"):
        new_server.start()
    new_server.credentials.make("postgres")
    with pytest.raises(MessageTrackingError, match=r"credentials\.json does not go with it"):
        new_server.start()
    (new_server.home / "kept.json").rename(new_server.credentials.path)
    assert new_server.is_running()


def test_a_server_that_cannot_start_says_why_and_names_its_log(new_server):
    new_server.start()
    new_server.stop()
    (new_server.data / "postgresql.auto.conf").write_text("shared_buffers = 'many'\n")
    with pytest.raises(MessageTrackingError, match=r"shared_buffers(.|\n)*postgres\.log"):
        new_server.start()


def test_passwords_and_data_are_closed_to_others(new_server):
    new_server.start()
    closed = (new_server.credentials.path, new_server.folder, new_server.data)
    assert [path.stat().st_mode & 0o077 for path in closed] == [0, 0, 0]
    secrets = [new_server.credentials.get(login) for login in ("postgres", "tracking_pipeline", "airflow")]
    said = new_server.log.read_text()
    assert not [secret for secret in secrets if secret in said]
    assert not (new_server.folder / "password").exists()


def test_a_home_below_a_closed_folder_works(new_home, system_folder):
    """Root's server must run as a system user, who cannot enter it: the data goes elsewhere."""
    closed = new_home / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedServer(closed / "home")
    try:
        query(server.start(), "create table kept ()")
        server.stop()
        assert query(server.start(), "select to_regclass('kept')::text") == "kept"
        assert (server.home / "postgres").is_symlink() == (os.geteuid() == 0)
        assert server.data.is_relative_to(system_folder) == (os.geteuid() == 0)
    finally:
        server.stop()


def test_programs_below_a_closed_folder_work(new_server, system_folder, monkeypatch):
    """Root's own environment may be closed to the system user: the programs are copied, once."""
    closed = new_server.home / "closed"
    closed.mkdir(mode=0o700)
    package = embedded.packaged_programs().parents[1]
    shutil.copytree(package / "pginstall18", closed / package.name / "pginstall18")
    shutil.copytree(f"{package}.libs", closed / f"{package.name}.libs")
    monkeypatch.setattr(embedded, "packaged_programs", lambda: closed / package.name / "pginstall18" / "bin")
    assert query(new_server.start(), "select 41") == 41
    new_server.stop()
    assert query(EmbeddedServer(new_server.home).start(), "select 41") == 41
    copies = [path.name for path in system_folder.glob("*") if path.is_dir()]
    assert len(copies) == (1 if os.geteuid() == 0 else 0)


def test_a_login_that_was_not_made_is_an_error(new_server):
    new_server.start()
    with pytest.raises(MessageTrackingError, match="bi_reader_login"):
        new_server.url("bi_reader_login")
