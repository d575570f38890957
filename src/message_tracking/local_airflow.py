"""The local Airflow: api-server, scheduler and dag-processor as child processes of one home.

What it leaves in the home: `airflow/` (Airflow's own home, the admin's password in `passwords.json`, the running
processes in `running.json`) and `logs/airflow/`. Its metadata is a database of the embedded server. It listens on
127.0.0.1 only.
"""

import fcntl
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from message_tracking.airflow_api import AirflowApi
from message_tracking.credentials import Credentials
from message_tracking.dbt_manifest import fresh_manifest
from message_tracking.embedded import HOST, PORTS, EmbeddedServer, is_free, open_warehouse
from message_tracking.errors import MessageTrackingError
from message_tracking.migrating import GROUPS, login_name
from message_tracking.settings import Settings

Report = Callable[[str], None]

ADMIN = "admin"
COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}
HEALTHY = {"metadatabase", "scheduler", "dag_processor"}

MIGRATE_SECONDS = 300
START_SECONDS = 180
STOP_SECONDS = 10
"""How long the components may take to end by themselves before they are killed."""


@dataclass(frozen=True)
class Component:
    """A running component; its start time tells it from another process that got its number later."""

    name: str
    pid: int
    started_at: float

    def process(self) -> psutil.Process | None:
        """The process, or None where it has ended."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if process.create_time() == self.started_at and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


class LocalAirflow:
    """The Airflow of one home."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.home / "airflow"
        self.logs = settings.home / "logs" / "airflow"
        self.passwords = Credentials(self.folder / "passwords.json")

    @property
    def url(self) -> str:
        """Where its pages and its API are.

        Raises MessageTrackingError where it was never started.
        """
        port = self._remembered_port()
        if port is None:
            raise MessageTrackingError(f"There is no Airflow in {self.settings.home} yet.", "`make up` starts one.")
        return f"http://{HOST}:{port}"

    def api(self) -> AirflowApi:
        """A client with the admin's rights."""
        return AirflowApi(self.url, ADMIN, self.passwords.get(ADMIN))

    def is_running(self) -> bool:
        """Whether all of its components run."""
        return len([found for found in self._components() if found.process()]) == len(COMPONENTS)

    def was_started(self) -> bool:
        """Whether it was started and not stopped since; it may have died."""
        return bool(self._components())

    def start(self, report: Report = lambda _: None) -> bool:
        """Start it and wait until it is healthy; say whether it had to be started.

        The warehouse must be migrated. DAGs are paused when they first appear. Raises MessageTrackingError with the
        end of the log where a component does not come up.
        """
        with self._lock():
            if self.is_running():
                return False
            self._stop()
            environment = self.environment(self._choose_port())
            self._prepare(environment, report)
            try:
                self._launch(environment)
                report("Waiting for its components")
                self._wait_until_healthy()
            except BaseException:
                self._stop()
                raise
            return True

    def stop(self) -> bool:
        """Stop all components and whatever they have started; say whether any ran."""
        with self._lock():
            return self._stop()

    def environment(self, port: int) -> dict[str, str]:
        """The environment of its processes; settings of another Airflow in ours are left out."""
        settings = {
            "CORE__DAGS_FOLDER": self.settings.project / "dags",
            "CORE__PLUGINS_FOLDER": self.settings.project / "plugins",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "message_tracking_airflow.executor.WarmLocalExecutor",
            # Tasks that watch dbt take time from it: as many as the cores can bear.
            "CORE__PARALLELISM": 3 * (os.cpu_count() or 2),
            # A DAG must not run before its consumer is known, or its asset events are lost.
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": True,
            "CORE__DAGBAG_IMPORT_TIMEOUT": 120,
            "CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{port}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": self.passwords.path,
            "DATABASE__SQL_ALCHEMY_CONN": EmbeddedServer(self.settings.home).airflow_url(),
            "API__HOST": HOST,
            "API__PORT": port,
            "API__BASE_URL": f"http://{HOST}:{port}",
            "API__WORKERS": 1,
            # Most of a short run's time is the scheduler's pauses.
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.1,
            "SCHEDULER__ENABLE_HEALTH_CHECK": False,
            # A run that was killed with its scheduler goes on soon after the next start, not after five minutes.
            "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 20,
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 60,
            "LOGGING__BASE_LOG_FOLDER": self.logs / "tasks",
            "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": self.logs / "dag_processor",
            "USAGE_DATA_COLLECTION__ENABLED": False,
            "COSMOS__ENABLE_TELEMETRY": False,
            "COSMOS__CACHE_DIR": self.folder / "cosmos",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW__", "AIRFLOW_HOME"))}
        programs = str(Path(sys.executable).parent)
        return {
            **kept,
            **{f"AIRFLOW__{name}": str(value) for name, value in settings.items()},
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW_CONN_TRACKING_WAREHOUSE": open_warehouse(self.settings).url,
            **self._readers(),
            "MESSAGE_TRACKING_HOME": str(self.settings.home),
            "MESSAGE_TRACKING_SOURCES": str(self.settings.sources_file),
            "DO_NOT_TRACK": "1",
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }

    def _readers(self) -> dict[str, str]:
        """The connections of the report pages: on a server of one's own the logins are not known here."""
        if self.settings.warehouse_url:
            return {}
        server = EmbeddedServer(self.settings.home)
        return {f"AIRFLOW_CONN_{group.upper()}": server.url(login_name(group)) for group in GROUPS}

    def _prepare(self, environment: dict[str, str], report: Report) -> None:
        """Bring the metadata up to date and, meanwhile, draw the graph of the dbt models."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self.passwords.make(ADMIN)
        report("Migrating its metadata")
        migration = self._spawn("db-migrate", ["db", "migrate"], environment)
        try:
            fresh_manifest(self.settings)
            if migration.wait(MIGRATE_SECONDS):
                raise self._failure("db-migrate", "could not migrate its metadata")
        except subprocess.TimeoutExpired:
            raise self._failure("db-migrate", f"did not migrate its metadata within {MIGRATE_SECONDS} s") from None
        finally:
            migration.kill()
            migration.wait()

    def _launch(self, environment: dict[str, str]) -> None:
        components: list[Component] = []
        for name, arguments in COMPONENTS.items():
            child = self._spawn(name, arguments, environment)
            components.append(Component(name, child.pid, psutil.Process(child.pid).create_time()))
            # After each, so that whoever comes next can stop what a killed process has left.
            self._remember(components)

    def _spawn(self, name: str, arguments: Sequence[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        """Start an airflow command in a session of its own: a Ctrl-C is ours to handle."""
        with self._log(name).open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "airflow", *arguments],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_until_healthy(self) -> None:
        api = self.api()
        until = time.monotonic() + START_SECONDS
        while True:
            for component in self._components():
                if component.process() is None:
                    raise self._failure(component.name, "ended while it was starting")
            with suppress(MessageTrackingError):
                health = api.health()
                if all(health.get(name) == "healthy" for name in HEALTHY):
                    return
            if time.monotonic() > until:
                raise self._failure("scheduler", f"was not healthy after {START_SECONDS} s")
            time.sleep(0.2)

    def _stop(self) -> bool:
        components = self._components()
        found = [process for component in components if (process := component.process())]
        family = list(self._family(components))
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        # The components end their own children; what is left after that has lost its parent.
        psutil.wait_procs(found, timeout=STOP_SECONDS)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=STOP_SECONDS)
        self._state_file.unlink(missing_ok=True)
        return bool(found)

    def _family(self, components: Sequence[Component]) -> Iterator[psutil.Process]:
        """All processes of the components' sessions, also of one that was killed and has left its children behind.

        A session whose first process is gone is ours where a process of it still stands in our folder: the number may
        have gone to a stranger. (Environments cannot tell: Airflow's process titles overwrite them.)
        """
        for component in components:
            members = [process for process in psutil.process_iter() if _session(process) == component.pid]
            if component.process() or any(_folder(process) == str(self.folder) for process in members):
                yield from members

    @property
    def _state_file(self) -> Path:
        return self.folder / "running.json"

    def _components(self) -> list[Component]:
        try:
            stored: list[dict[str, Any]] = json.loads(self._state_file.read_text())
        except (FileNotFoundError, ValueError):
            return []
        return [Component(**entry) for entry in stored]

    def _remember(self, components: list[Component]) -> None:
        self._state_file.write_text(json.dumps([vars(component) for component in components]))

    def _remembered_port(self) -> int | None:
        try:
            return int((self.folder / "port").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _choose_port(self) -> int:
        """The port of last time, so that bookmarks stay; another one where a stranger has it."""
        port = self._remembered_port()
        while port is None or not is_free(port):
            port = secrets.choice(PORTS)
        (self.folder / "port").write_text(str(port))
        return port

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _failure(self, name: str, what: str) -> MessageTrackingError:
        log = self._log(name)
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        return MessageTrackingError(f"Airflow's {name} {what}:\n{tail}", f"The whole log is {log}.")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep other processes from starting or stopping this Airflow meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _session(process: psutil.Process) -> int | None:
    with suppress(ProcessLookupError, PermissionError):
        return os.getsid(process.pid)
    return None


def _folder(process: psutil.Process) -> str | None:
    with suppress(psutil.Error):
        return str(process.cwd())
    return None
