import socket
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from message_tracking import embedded
from message_tracking.embedded import EmbeddedServer, is_free, open_to_all, open_warehouse, packaged_programs
from message_tracking.errors import MessageTrackingError
from message_tracking.settings import Settings


def test_a_home_without_a_server_is_left_alone(tmp_path):
    server = EmbeddedServer(tmp_path / "home")
    assert not server.is_running()
    assert not server.stop()
    with pytest.raises(MessageTrackingError, match="no embedded server"):
        server.url()
    assert not server.home.exists()


def test_an_own_server_replaces_the_embedded_one(tmp_path):
    url = "postgresql://user:secret@db.example/warehouse"
    settings = replace(Settings.from_environment(), home=tmp_path / "home", warehouse_url=url)
    assert open_warehouse(settings).url == url
    assert not settings.home.exists()


def test_the_programs_are_those_of_postgres_18():
    programs = packaged_programs()
    assert programs.is_absolute()
    assert "(PostgreSQL) 18." in embedded.run([str(programs / "postgres"), "--version"]).stdout


def test_the_programs_see_no_postgres_settings_of_our_environment(monkeypatch):
    monkeypatch.setenv("PGDATA", "/elsewhere")
    monkeypatch.setenv("PGOPTIONS", "-c jit=on")
    monkeypatch.setenv("LC_MESSAGES", "fr_FR.UTF-8")
    seen = embedded.run(["env"]).stdout.splitlines()
    assert "LC_ALL=C" in seen
    assert not [line for line in seen if line.startswith(("PG", "LC_MESSAGES"))]


def test_a_port_somebody_listens_on_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_open_to_all_keeps_programs_programs_and_files_files(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "program").touch(0o700)
    (folder / "file").touch(0o600)
    folder.chmod(0o700)
    open_to_all(folder)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "program", folder / "file")]
    assert modes == [0o755, 0o755, 0o644]


def test_two_processes_make_one_system_user(tmp_path, monkeypatch):
    made = []

    def useradd(command):
        time.sleep(0.1)
        made.append(command[-1])
        return subprocess.CompletedProcess(command, 0, "", "")

    def find():
        if not made:
            raise KeyError
        return embedded.SystemUser(999 - len(made), 0)

    monkeypatch.setattr(embedded, "SYSTEM_FOLDER", tmp_path)
    monkeypatch.setattr(embedded, "run", useradd)
    monkeypatch.setattr(embedded, "find_own_user", find)
    with ThreadPoolExecutor(2) as pool:
        users = list(pool.map(lambda _: embedded.own_user(), range(2)))
    assert made == [embedded.SYSTEM_USER]
    assert users == [embedded.SystemUser(998, 0)] * 2
