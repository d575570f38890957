"""Fixtures of all tests that need Postgres: one embedded server for the session, one database per test.

A test that takes `warehouse` gets a migrated, empty database of its own, which `settings` names too.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from message_tracking.embedded import DATABASE, SUPERUSER, EmbeddedServer
from message_tracking.migrating import login_name, migrate
from message_tracking.parsing import reading, tracking_log
from message_tracking.settings import PROJECT, Settings
from message_tracking.warehouse import PIPELINE_ROLE, Warehouse

MEASURED = """
import resource, subprocess, sys
exit_code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
sys.exit(exit_code)
"""
"""Runs a program and prints its greatest memory, in MiB."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail in CI where a test was skipped: it has proven nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A home that the server's system user can enter, unlike pytest's own temporary folders, when root runs this."""
    home = Path(tempfile.mkdtemp(prefix="message-tracking-test-"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        EmbeddedServer(home).stop()
        shutil.rmtree((home / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(home)


@pytest.fixture
def new_home() -> Iterator[Path]:
    """An empty home of this test alone; its server, if one was started, is stopped at the end."""
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="module")
def home_of_module() -> Iterator[Path]:
    """An empty home that all tests of a module share; its server, if one was started, is stopped at the end."""
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """The session's server, migrated, with the logins of all groups."""
    with temporary_home() as home:
        server = EmbeddedServer(home)
        migrate(Warehouse(server.start()), Settings(home, None, PROJECT / "config" / "sources.yml"))
        # Nobody needs this data after a crash, and every test makes a database.
        execute(server.url(SUPERUSER), "alter system set fsync = off", "select pg_reload_conf()")
        yield server


@pytest.fixture(scope="session")
def server_url(server: EmbeddedServer) -> str:
    """The pipeline's URL of the database that the tests' own are copied from: leave it empty and unused."""
    return server.url()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The test's own folder for everything that is not code."""
    return tmp_path / "home"


_databases: set[str] = set()
"""Names of those that exist."""


@contextmanager
def new_database(server: EmbeddedServer, template: str = DATABASE) -> Iterator[str]:
    """Copy a database, by default the migrated, empty one, and drop the copy at the end; gives its name.

    Names are used again: what dbt has parsed hangs on the database's name.
    """
    name = next(name for number in itertools.count() if (name := f"test_{number}") not in _databases)
    identifier = sql.Identifier(name)
    creation = sql.SQL("create database {} template {} owner {}").format(
        identifier, sql.Identifier(template), sql.Identifier(PIPELINE_ROLE)
    )
    execute(server.url(SUPERUSER), creation)
    _databases.add(name)
    yield name
    execute(server.url(SUPERUSER), sql.SQL("drop database {} with (force)").format(identifier))
    _databases.remove(name)


@pytest.fixture
def database(server: EmbeddedServer) -> Iterator[str]:
    """The name of a migrated, empty database of this test alone."""
    with new_database(server) as name:
        yield name


@pytest.fixture
def url_of(server: EmbeddedServer, database: str) -> Callable[[str], str]:
    """The test's database for a login, for example `tracking_pipeline` or `bi_reader_login`."""
    return lambda login: server.url(login).rpartition("/")[0] + "/" + database


@pytest.fixture
def warehouse(url_of: Callable[[str], str]) -> Warehouse:
    """A migrated, empty warehouse of this test alone."""
    return Warehouse(url_of(PIPELINE_ROLE))


@pytest.fixture
def second_warehouse(server: EmbeddedServer) -> Iterator[Warehouse]:
    """Another one with the same secret behind `person_id`, for what must come out equal in both."""
    with new_database(server) as name:
        yield Warehouse(server.url(PIPELINE_ROLE).rpartition("/")[0] + "/" + name)


@pytest.fixture
def settings(home: Path, warehouse: Warehouse) -> Settings:
    """Settings that name the test's warehouse, its own (existing, empty) home and the clone."""
    home.mkdir(exist_ok=True)
    return replace(Settings.from_environment(), home=home, warehouse_url=warehouse.url)


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[Connection]:
    """A session of the pipeline in the test's warehouse; commit what others are to see."""
    with closing(warehouse.connect("test")) as connection:
        yield connection


@pytest.fixture
def connect_as(url_of: Callable[[str], str]) -> Iterator[Callable[[str], Connection]]:
    """Open a session in the test's warehouse with the login of a group (`bi_reader`, …), as its users do."""
    opened: list[Connection] = []

    def connect(group: str) -> Connection:
        opened.append(psycopg2.connect(url_of(login_name(group))))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def administrator(url_of: Callable[[str], str]) -> Callable[..., None]:
    """Run statements in the test's database with all rights."""
    return lambda *statements: execute(url_of(SUPERUSER), *statements)


@pytest.fixture
def stranger(database: str, administrator: Callable[..., None], url_of: Callable[[str], str]) -> Iterator[str]:
    """The URL of a login without any rights; another administrator's server has such."""
    name = f"stranger_{database}"
    administrator(f"create role {name} login password 'secret'")
    rest = url_of(SUPERUSER).rpartition("@")[2]
    yield f"postgresql://{name}:secret@{rest}"
    administrator(f"drop owned by {name}", f"drop role {name}")


@pytest.fixture
def shared_warehouse(stranger: str, database: str, administrator: Callable[..., None]) -> Warehouse:
    """The test's warehouse through a login of its own that acts as the pipeline, as on another administrator's server."""
    administrator(f"grant {PIPELINE_ROLE} to stranger_{database}")
    return Warehouse(stranger)


def execute(url: str, *statements: str | sql.Composable) -> None:
    """Run statements outside of a transaction."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def reject_long_ids(patch: pytest.MonkeyPatch) -> None:
    """Judge log lines by the grammar alone, with a wrong rule: ids of eight digits are rejected."""
    patch.setattr(reading, "_clock_range", lambda *_, **__: (1, 0))
    patch.setattr(tracking_log, "_ID", r"^[0-9A-Fa-f]{1,7}$")
