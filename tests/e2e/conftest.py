"""A running stack of its own: embedded server, Airflow with its scheduler, landing folders to drop files into."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from tests.conftest import execute
from tests.orchestration.mailbox import Mailbox, mail_server
from tests.transports.counterparts import LOGIN, Counterpart, web_server

from message_tracking.airflow_api import AirflowApi
from message_tracking.dag_runs import start_ingests, wait_for_dags, wait_for_publishing, wait_for_runs
from message_tracking.embedded import EmbeddedServer, open_warehouse
from message_tracking.local_airflow import LocalAirflow
from message_tracking.migrating import migrate
from message_tracking.settings import PROJECT, Settings
from message_tracking.sources import configured_sources
from message_tracking.warehouse import Warehouse, fetch_all

MARTS = (
    "marts.deliveries",
    "marts.delivery_indicators",
    "marts.tracking_buckets",
    "marts.tracking_events",
    "marts.url_clicks",
    "marts_private.recipients",
)


NOTIFIERS = [{"notifier": "airflow.providers.smtp.notifications.smtp.SmtpNotifier", "to": "oncall@example.com"}]

ELSEWHERE = """
  - name: elsewhere
    kind: http
    connection: tracking_elsewhere
    path: /
"""


class Stack:
    """The stack, driven the way its files and its scheduler drive it."""

    def __init__(
        self, settings: Settings, warehouse: Warehouse, api: AirflowApi, elsewhere: Counterpart, mailbox: Mailbox
    ) -> None:
        self.settings = settings
        self.warehouse = warehouse
        self.api = api
        self.elsewhere = elsewhere
        """The machine of the source `elsewhere`, with nothing on it yet."""
        self.mailbox = mailbox
        """Where alerts go; a run is late after six seconds."""

    @property
    def landing(self) -> Path:
        """The folder of the source `campaign`."""
        return self.settings.home / "landing" / "campaign"

    def ingest_and_publish(self) -> list[tuple[str, str]]:
        """Run both ingests and wait for what they set off; return the ingest runs.

        Raises MessageTrackingError where a run fails, with the end of the failed task's log.
        """
        since = datetime.now(UTC).isoformat()
        runs = start_ingests(self.api)
        wait_for_runs(self.api, runs)
        wait_for_publishing(self.api, since)
        return runs

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """Run one query with the pipeline's rights."""
        with closing(self.warehouse.connect("test")) as connection:
            return fetch_all(connection, query)

    def query_airflow(self, query: str) -> list[tuple[Any, ...]]:
        """Run one query on Airflow's metadata."""
        address = EmbeddedServer(self.settings.home).airflow_url().replace("+psycopg2", "")
        with closing(psycopg2.connect(address)) as connection:
            return fetch_all(connection, query)

    def execute(self, statement: str) -> None:
        """Run one statement with the pipeline's rights."""
        execute(self.warehouse.url, statement)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One stack for all tests, which leave what they have published."""
    home = Path(tempfile.mkdtemp(prefix="message-tracking-e2e-"))
    home.chmod(0o755)
    (home / "sources.yml").write_text((PROJECT / "config" / "sources.yml").read_text() + ELSEWHERE)
    settings = Settings(home, None, home / "sources.yml")
    airflow = LocalAirflow(settings)
    try:
        for source in configured_sources(settings).sources:
            if source.kind == "folder":
                source.path.mkdir(parents=True)
        warehouse = open_warehouse(settings)
        migrate(warehouse, settings)
        with (
            web_server(home / "elsewhere") as elsewhere,
            mail_server() as mailbox,
            pytest.MonkeyPatch.context() as patch,
        ):
            address = f"http://{LOGIN}:{elsewhere.secret}@127.0.0.1:{elsewhere.line.port}"
            patch.setenv("AIRFLOW_CONN_TRACKING_ELSEWHERE", address)
            patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", mailbox.connection)
            patch.setenv("AIRFLOW_VAR_MESSAGE_TRACKING_ALERTS", json.dumps(NOTIFIERS))
            patch.setenv("MESSAGE_TRACKING_LATE_MINUTES", "0.1")
            airflow.start()
            wait_for_dags(airflow.api())
            yield Stack(settings, warehouse, airflow.api(), elsewhere, mailbox)
    finally:
        airflow.stop()
        EmbeddedServer(home).stop()
        shutil.rmtree((home / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(home)


@pytest.fixture
def read_marts():
    """Read every row of the marts of a warehouse as text, by relation."""

    def read(warehouse: Warehouse) -> dict[str, list[str]]:
        with closing(warehouse.connect("test")) as connection:
            return {
                relation: [row for (row,) in fetch_all(connection, f"select t::text from {relation} as t order by 1")]
                for relation in MARTS
            }

    return read


@pytest.fixture
def golden() -> Path:
    """The golden case with several deliveries and two tracking servers."""
    return PROJECT / "tests" / "fixtures" / "golden" / "second-case"
