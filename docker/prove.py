"""Bring up docker-compose.yml with two workers, kill the one that loads a log, and check what is published at the end.

    .venv/bin/python docker/prove.py [--engine podman] [--compose podman-compose]

Needs the images of docker-compose.yml, ports 25432 and 28080, 6 GiB of memory and half an hour: Airflow gives up on a
running task whose worker is gone after five minutes, and on one that the worker had taken from the queue after ten.
Ends with exit code 70 and the reason where something is not as it should be, and removes its containers, volumes and
network either way.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from message_tracking.airflow_api import FINISHED, AirflowApi
from message_tracking.dag_runs import start_ingests, wait_for_dags, wait_for_publishing, wait_for_runs
from message_tracking.errors import MessageTrackingError
from message_tracking.settings import PROJECT
from message_tracking.warehouse import Warehouse, fetch_all

NAME = "message-tracking-proof"
LINES = 20_000
WAREHOUSE_PORT, AIRFLOW_PORT = 25432, 28080
PASSWORDS = (
    "POSTGRES_PASSWORD",
    "WAREHOUSE_PASSWORD",
    "READER_PASSWORD",
    "AIRFLOW_DB_PASSWORD",
    "REDIS_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_SECRET_KEY",
)
SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")

LOADING = """
    select host(client_addr) from pg_stat_activity
    where application_name ^@ 'message-tracking load campaign/' and wait_event_type = 'Lock'
"""
LINES_LOADED = """
    select sum(line_count), sum(accepted_count), sum(rejected_count), sum(already_loaded_count)
    from ops.file_ledger inner join ops.sources using (source_id)
    where kind = 'tracking_log' and status = 'loaded' and source = 'campaign'
"""
EVENTS = "select count(*) from raw.events inner join ops.sources using (source_id) where source = 'campaign'"
PUBLISHED = "select max(publication_id) from ops.publications where status = 'published'"
SHOWN = "select count(*) from marts.tracking_events"
REPEATED = """
    select count(*) from (
        select from raw.events group by source_id, prefix, counter having count(*) > 1
    ) as repeated
"""


def say(line: str) -> None:
    """Print what was done, with the time of day."""
    click.echo(f"{datetime.now(UTC):%H:%M:%S}  {line}")


def wait(condition: Callable[[], Any], seconds: int, what: str) -> Any:
    """Wait for something and return it. Raises MessageTrackingError where it does not come."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > until:
            raise MessageTrackingError(f"Never saw {what}")
        time.sleep(1)
    return found


class Stack:
    """The stack of the compose file under an engine."""

    def __init__(self, engine: str, compose: str, folder: Path) -> None:
        self.engine = engine
        self.values = {name: secrets.token_hex(24) for name in PASSWORDS} | {
            "AIRFLOW_FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "WAREHOUSE_PORT": str(WAREHOUSE_PORT),
            "AIRFLOW_PORT": str(AIRFLOW_PORT),
        }
        file = folder / "env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in self.values.items()))
        self._compose = [*compose.split(), "--env-file", str(file), "--project-name", NAME]
        password = self.values["WAREHOUSE_PASSWORD"]
        self.warehouse = Warehouse(
            f"postgresql://tracking_pipeline:{password}@127.0.0.1:{WAREHOUSE_PORT}/message_tracking"
        )
        self.airflow = AirflowApi(f"http://127.0.0.1:{AIRFLOW_PORT}", "admin", self.values["AIRFLOW_ADMIN_PASSWORD"])

    def compose(self, *words: str) -> None:
        """Run a command of compose. Raises MessageTrackingError with its words where it fails."""
        _run([*self._compose, *words])

    def up(self) -> None:
        """Start one layer after the other: not every compose waits for what it starts."""
        self.compose("up", "--detach", "--no-deps", "postgres", "redis")
        self.wait_until_healthy("postgres", "redis")
        self.compose("up", "--no-deps", "init")
        say("both databases are migrated")
        self.compose("up", "--detach", "--no-deps", "--scale", "worker=2", *SERVICES)
        self.wait_until_healthy(*SERVICES)

    def wait_until_healthy(self, *services: str) -> None:
        """Wait until every container's own health check is satisfied."""
        for service in services:
            for container in self.containers(service):
                wait(lambda container=container: self._is_healthy(container), 600, f"{container} healthy")
            say(f"healthy: {service}")

    def _is_healthy(self, container: str) -> bool:
        if self.engine == "podman":
            # Without systemd podman has nobody to run them.
            return (
                subprocess.run(
                    [self.engine, "healthcheck", "run", container], capture_output=True, check=False
                ).returncode
                == 0
            )
        return _run([self.engine, "inspect", "--format", "{{.State.Health.Status}}", container]).strip() == "healthy"

    def containers(self, service: str) -> list[str]:
        """The names of a service's running containers."""
        labels = (f"com.docker.compose.project={NAME}", f"com.docker.compose.service={service}")
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        return _run([self.engine, "ps", "--format", "{{.Names}}", *filters]).split()

    def address(self, container: str) -> str:
        """Where the other containers see this one."""
        found = json.loads(_run([self.engine, "inspect", container]))[0]["NetworkSettings"]["Networks"]
        return str(next(iter(found.values()))["IPAddress"])

    def command(self, container: str, *words: str) -> str:
        """Run a command in a container and return what it prints."""
        return _run([self.engine, "exec", container, *words])

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """Run one query in the warehouse."""
        with closing(self.warehouse.connect("proof")) as connection:
            return fetch_all(connection, query)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MessageTrackingError(f"{' '.join(command)}: {done.stderr[-2000:] or done.stdout[-2000:]}")
    return done.stdout


def kill_who_loads(stack: Stack) -> str:
    """Kill the worker whose task has copied events and is about to commit them; return the name of the other one."""
    workers = stack.containers("worker")
    with closing(stack.warehouse.connect("proof")) as connection, connection.cursor() as cursor:
        cursor.execute("lock table raw.rejected_lines in share mode")
        address = wait(lambda: stack.read(LOADING), 300, "a load of a log")[0][0]
        killed = next(worker for worker in workers if stack.address(worker) == address)
        _run([stack.engine, "kill", "--signal", "KILL", killed])
    say(f"killed {killed} while it loaded a log")
    return next(worker for worker in workers if worker != killed)


def prove(stack: Stack) -> None:
    """Do it all. Raises MessageTrackingError where something is not as it should be."""
    stack.up()
    stack.up()
    wait_for_dags(stack.airflow)
    worker = stack.containers("worker")[0]
    stack.command(worker, "message-tracking", "sample", "--lines", str(LINES))
    say(f"a sample of {LINES} lines lies in the volume `landing`; {len(stack.containers('worker'))} workers run")
    since = datetime.now(UTC).isoformat()
    runs = start_ingests(stack.airflow)
    worker = kill_who_loads(stack)
    wait(lambda: all(stack.airflow.run(*run)["state"] in FINISHED for run in runs), 1800, "the end of the ingests")
    wait_for_runs(stack.airflow, runs)
    say("both ingests are green")
    wait_for_publishing(stack.airflow, since)
    say(f"published: {stack.read(PUBLISHED)[0][0]}")
    retried = [
        (one["task_id"], one["map_index"], one["try_number"])
        for run in runs
        for one in stack.airflow.task_instances(*run)
        if one["try_number"] > 1
    ]
    say(f"tasks that were tried again: {retried}")
    lines, accepted, rejected, already = stack.read(LINES_LOADED)[0]
    ((events,),) = stack.read(EVENTS)
    say(f"lines {lines}: accepted {accepted}, rejected {rejected}, there already {already}; events {events}")
    say(f"in the click stream: {stack.read(SHOWN)[0][0]} events of all sources")
    if lines != LINES or events != accepted or stack.read(REPEATED) != [(0,)]:
        raise MessageTrackingError("Not every line was loaded exactly once")
    if not retried:
        raise MessageTrackingError("No task was tried again")
    say("recomputed from the raw events: " + stack.command(worker, "message-tracking", "recompute").strip())


def main() -> int:
    """Run it and clear up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="docker", choices=["docker", "podman"])
    parser.add_argument("--compose", default="docker compose", help="default: docker compose")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(options.engine, options.compose, Path(folder))
        try:
            prove(stack)
        except MessageTrackingError as error:
            say(f"not proven: {error!r}")
            return os.EX_SOFTWARE
        finally:
            stack.compose("down", "--volumes", "--timeout", "5")
    say("proven")
    return 0


if __name__ == "__main__":
    sys.exit(main())
