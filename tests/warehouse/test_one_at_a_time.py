"""Builds, publications, loads and migrates at once, each a process of its own: one at a time, and the outcome is that of one.

Two first starts of an embedded server at once are in test_embedded.py, a scheduler beside a shell in tests/e2e.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.oracle.comparing import differences
from tests.oracle.expecting import SourceFolder, expected_relations

from message_tracking.migrating import LOCK_KEY, read_migrations
from message_tracking.warehouse import PIPELINE_ROLE, Warehouse, fetch_all

THE_LAST_STEP_OF_A_LOAD = "select pg_advisory_lock(7246225001)"
"""Whatever is loaded gets its position under this lock, right before its commit."""

WHAT_A_RUN_READS = "lock table raw.events in access exclusive mode"
WHAT_A_BUILD_HOLDS = "select from ops.publication_state for update"

PATIENCE_SECONDS = 120
SINCE = r"since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"


class Shell:
    """Starts verbs as a shell does, on the test's warehouse."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a verb and let it work."""
        self.started.append(
            subprocess.Popen(
                [Path(sys.executable).with_name("message-tracking"), *arguments],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return self.started[-1]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a verb to its end."""
        return finish(self.start(*arguments))


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Wait for a verb: exit code, output, errors."""
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output, errors


def kill(process: "subprocess.Popen[str]") -> None:
    """End only this process, as the kernel does where memory is short."""
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was through before it could be killed"


@pytest.fixture
def shell(pipeline, settings) -> Iterator[Shell]:
    shell = Shell(
        os.environ
        | {
            "MESSAGE_TRACKING_HOME": str(settings.home),
            "MESSAGE_TRACKING_WAREHOUSE": settings.warehouse_url,
            "MESSAGE_TRACKING_SOURCES": str(pipeline.settings.sources_file),
        }
    )
    yield shell
    for process in shell.started:
        # With what a killed one has left behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def query(warehouse) -> Callable[..., list[tuple[Any, ...]]]:
    """Run one query in a transaction of its own."""

    def query(text: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(warehouse.connect("test")) as connection:
            return fetch_all(connection, text, values)

    return query


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, f"{what} never came"
        time.sleep(0.05)


@pytest.fixture
def wait_for_sessions(query) -> Callable[[str, int], None]:
    """Wait until so many sessions whose program's name is like the text wait for a lock."""
    waiting = """
        select count(*) from pg_stat_activity
        where datname = current_database() and application_name like %s and wait_event_type = 'Lock'
    """
    return lambda name, count: wait_for(lambda: query(waiting, name) == [(count,)], f"{count} waiting: {name}")


@pytest.fixture
def hold(warehouse) -> Iterator[Callable[..., Callable[[], None]]]:
    """Hold what a query locks, so that others come no further; gives what lets go of it."""
    with contextlib.ExitStack() as sessions:

        def hold(text: str, *values: Any) -> Callable[[], None]:
            session = sessions.enter_context(closing(warehouse.connect("holder")))
            session.cursor().execute(text, values)
            return session.close

        yield hold


@pytest.fixture
def mistakes(landing, warehouse, query) -> Callable[[], list[str]]:
    """Where the marts differ from what the files of the landing folder say."""

    def mistakes() -> list[str]:
        ((key,),) = query("select key from ops.person_key")
        expected = expected_relations([SourceFolder("campaign", landing.folder)], person_key=bytes(key))
        return differences(expected, warehouse.url)

    return mistakes


def test_runs_at_once(shell, landing, golden, query, hold, mistakes):
    case = golden("second-case")
    shutil.copytree(case / "exports", landing.folder / "exports")
    shutil.copytree(case / "logs" / "edge-a", landing.folder / "logs" / "edge-a")
    first = shell.start("run")
    wait_for(lambda: bool(query("select from ops.model_builds")), "the build")
    let_go = hold(WHAT_A_RUN_READS)
    holder = f"message-tracking on {socket.gethostname()}, process {first.pid} has held candidate 1"
    for verb in ("run", "validate", "publish"):
        code, _, told = shell.run(verb)
        assert (code, verb) == (3, verb), told
        assert re.search(f"A build is going on: {re.escape(holder)} {SINCE}", told)
        assert "the candidate is free when that process ends" in told
    let_go()
    shutil.copytree(case / "logs" / "edge-b", landing.folder / "logs" / "edge-b")
    assert shell.run("load")[0] == 0

    kill(first)
    code, output, told = shell.run("run")
    assert code == 0, told
    assert "Published 2 with" in output
    assert query("select status from ops.publications order by publication_id") == [("abandoned",), ("published",)]
    assert mistakes() == []


def test_builds_and_publications_by_hand_at_once(
    shell, pipeline, landing, golden, query, hold, wait_for_sessions, mistakes
):
    landing.copy(golden("second-case"))
    pipeline.load()
    first = shell.start("build")
    wait_for(lambda: bool(query("select from ops.model_builds")), "the build")
    let_go = hold(WHAT_A_BUILD_HOLDS)
    for verb in ("build", "validate"):
        code, _, told = shell.run(verb)
        assert (code, verb) == (3, verb), told
        assert re.search(rf"`build by hand` is held by message-tracking build \(server process \d+, {SINCE}\)", told)
    let_go()
    code, _, told = shell.run("rollback")
    assert code == 3
    assert "`message-tracking abandon` gives it up at once" in told
    assert finish(first)[0] == 0
    assert shell.run("validate")[0] == 0

    let_go = hold(WHAT_A_BUILD_HOLDS)
    publishing = [shell.start("publish") for _ in range(3)]
    wait_for_sessions("publish", 3)
    let_go()
    ((code, output, _),) = {finish(process) for process in publishing}
    assert code == 0
    assert output.startswith("Published 1 with")
    assert query("select status from ops.publications") == [("published",)]
    assert mistakes() == []


def test_loads_of_one_server_at_once(shell, landing, golden, query, hold, wait_for_sessions):
    landing.copy(golden("second-case"))
    let_go = hold(THE_LAST_STEP_OF_A_LOAD)
    first = shell.start("load", "--server", "edge-a")
    wait_for_sessions("message-tracking load campaign/edge-a", 1)
    code, _, told = shell.run("load", "--server", "edge-a")
    assert code == 3
    holder = r"message-tracking load campaign/edge-a \(server process \d+"
    assert re.search(f"`load campaign/edge-a` is held by {holder}, {SINCE}", told)

    kill(first)
    wait_for_sessions("message-tracking load campaign/edge-a", 0)
    again = shell.start("load", "--server", "edge-a")
    wait_for_sessions("message-tracking load campaign/edge-a", 1)
    let_go()
    assert finish(again)[0] == 0
    ((accepted,),) = query("select accepted_count from ops.file_ledger")
    assert query("select count(*), count(distinct counter) from raw.events") == [(accepted, accepted)]


def test_loads_of_reference_data_at_once(shell, landing, golden, query, hold, wait_for_sessions):
    shutil.copytree(golden("second-case") / "exports", landing.folder / "exports")
    with (landing.folder / "exports" / "recipients.csv").open("a") as file:
        file.write("none,Ada,,,,\n")
    let_go = hold("select pg_advisory_lock(hashtextextended('message-tracking merge recipients', 0))")
    first = shell.start("load")
    wait_for_sessions("message-tracking load campaign/reference data", 1)
    code, _, told = shell.run("load")
    assert code == 3
    holder = r"message-tracking load campaign/reference data \(server process \d+"
    assert re.search(f"`load campaign/reference data` is held by {holder}, {SINCE}", told)
    let_go()
    assert finish(first)[0] == 0
    assert shell.run("load")[0] == 0
    assert query("select count(*) from raw.rejected_lines") == [(1,)]


@pytest.fixture
def empty_warehouse(administrator, database, url_of) -> Iterator[Warehouse]:
    """A database that nobody has migrated."""
    name = f"{database}_empty"
    administrator(f"create database {name} owner {PIPELINE_ROLE} template template0")
    yield Warehouse(url_of(PIPELINE_ROLE).replace(database, name))
    administrator(f"drop database {name} with (force)")


def test_migrates_at_once(shell, empty_warehouse, settings):
    shell.environment["MESSAGE_TRACKING_WAREHOUSE"] = empty_warehouse.url

    def count_waiting() -> int:
        with closing(empty_warehouse.connect("test")) as connection:
            return len(fetch_all(connection, "select from pg_locks where locktype = 'advisory' and not granted"))

    with closing(empty_warehouse.connect("holder")) as holder:
        fetch_all(holder, "select pg_advisory_lock(%s)", (LOCK_KEY,))
        migrating = [shell.start("migrate") for _ in range(2)]
        wait_for(lambda: count_waiting() == 2, "both")
    told = [finish(process) for process in migrating]
    assert [code for code, _, _ in told] == [0, 0], told
    assert all("Waiting for another migrate of this warehouse" in output for _, output, _ in told)
    for migration in read_migrations(settings.migrations):
        assert sum(f"Applying {migration.name}\n" in output for _, output, _ in told) == 1
    assert sum("Nothing to apply" in output for _, output, _ in told) == 1
