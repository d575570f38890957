"""SIGKILL of Airflow's task processes, found by the sessions that they hold in the warehouse."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psutil

from message_tracking.settings import PROJECT
from message_tracking.validation.verdict import DBT_SUITE
from message_tracking.warehouse import Warehouse, fetch_all

OF_CANDIDATE = "where publication_id = (select candidate_publication from ops.publication_state)"
BUILT_MODELS = f"select count(*) from ops.model_builds {OF_CANDIDATE}"
RECORDED_SUITE = f"select count(*) from ops.check_runs {OF_CANDIDATE} and suite = %s"
PATIENCE = 1800
"""Where dbt was killed each model starts a dbt of its own."""

LAST_SUITE = max(path.stem for path in (PROJECT / "expectations").glob("[!_]*.py"))


class TaskKiller:
    """Waits for a step of a DAG run and kills the process that is at it."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def kill_load(self) -> None:
        """A load of a server, when it has copied events and is about to copy rejected lines."""
        with self._holding("lock table raw.rejected_lines in share mode"):
            self._kill("message-tracking load campaign/edge", "wait_event_type = 'Lock'")

    def kill_build(self) -> None:
        """The build, when some models are built."""
        self._wait_for(BUILT_MODELS)
        self._kill("dbt")

    def kill_audit(self) -> None:
        """The audit, when the results of dbt's tests are recorded."""
        self._wait_for(RECORDED_SUITE, DBT_SUITE)
        self._kill("validate")

    def kill_publish(self) -> None:
        """The publication, when it is about to move the number that readers see."""
        # The audit takes that lock too, until its last suite is recorded.
        self._wait_for(RECORDED_SUITE, LAST_SUITE)
        with self._holding("select from ops.publication_state for update"):
            self._kill("publish", "wait_event_type = 'Lock'")

    def _wait_for(self, count: str, *parameters: str) -> None:
        _wait(lambda: self._read(count, *parameters)[0][0] > 0, f"{count} {parameters}")

    def _kill(self, application_name: str, state: str = "true") -> None:
        sessions = (
            "select client_port from pg_stat_activity "
            f"where datname = current_database() and application_name ^@ %s and {state}"
        )
        port = _wait(lambda: self._read(sessions, application_name), f"a session {application_name}")[0][0]
        owner = next(
            one.pid for one in psutil.net_connections("tcp") if one.laddr and one.laddr.port == port and one.pid
        )
        psutil.Process(owner).kill()

    def _read(self, query: str, *parameters: str) -> list[tuple[Any, ...]]:
        with closing(self.warehouse.connect("test")) as connection:
            return fetch_all(connection, query, parameters)

    @contextmanager
    def _holding(self, lock: str) -> Iterator[None]:
        with closing(self.warehouse.connect("test")) as connection, connection.cursor() as cursor:
            cursor.execute(lock)
            yield


def _wait(condition: Callable[[], Any], what: str) -> Any:
    until = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < until, f"never saw {what}"
        time.sleep(0.02)
    return found
