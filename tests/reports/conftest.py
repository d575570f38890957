"""A published warehouse that all tests of the pages read: the worked example, and a delivery whose texts are hostile."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.conftest import execute, new_database
from tests.warehouse.archive import CONTACT, delivery, log_lines, message, tracked_url
from tests.warehouse.conftest import Landing, Pipeline

from message_tracking.embedded import SUPERUSER, EmbeddedServer
from message_tracking.migrating import GROUPS, login_name
from message_tracking.reports.app import reports_app
from message_tracking.reports.reading import Readers, Sessions, connect_as_reader
from message_tracking.reports.viewing import Viewer
from message_tracking.settings import PROJECT, Settings
from message_tracking.warehouse import PIPELINE_ROLE, Connection, Warehouse, fetch_all

WORKED_EXAMPLE = PROJECT / "src" / "message_tracking" / "sample" / "golden" / "worked-example"
GOLDEN = 451589302
HOSTILE = 3000
EMPTY = 4000

SCRIPT = "<script>document.title='owned'</script>"
LABELS = {
    3001: f"{SCRIPT}<img src=https://evil.example/x onerror=alert(1)>",
    3002: "=HYPERLINK(1)",
    3003: "\u202egnirts tfel-ot-thgir",
    3004: "W" * 240,
    3005: "</td></table><style>*{display:none}</style>{{ 7 * 7 }}",
}
TITLE = f"{SCRIPT} & ''quoted''"
REACTIONS = [
    *[(number, HOSTILE, 1) for number in range(100, 120)],
    *[(100 + place % 20, HOSTILE, url_id) for place, url_id in enumerate([*LABELS] * 9)],
]


def scanned(lines: list[str]) -> list[str]:
    """The same hits by a machine that says what it is."""
    return [line.rpartition("\tMozilla")[0] + "\tpython-requests/2.32.3\t192.0.2.7" for line in lines]


def write_hostile(landing: Landing) -> None:
    """Describe the hostile delivery, and one without any event, and write its log."""
    landing.describe(
        deliveries=[delivery(HOSTILE, TITLE, 20), delivery(EMPTY, "Silence", 0)],
        messages=[message(number, HOSTILE) for number in range(100, 120)],
        tracked_urls=[tracked_url(url_id, HOSTILE, 1, label, "promo") for url_id, label in LABELS.items()],
        recipients=[f"{number},First,Last,p{number}@example.net,2," for number in range(100, 120)],
    )
    machine = [(100 + place, HOSTILE, url_id) for place in range(4) for url_id in LABELS]
    later = CONTACT + timedelta(hours=1)
    landing.write_log([*log_lines(REACTIONS), *scanned(log_lines(machine, counter=1000, start=later))])


@dataclass(frozen=True)
class Published:
    """A warehouse with one publication that tests only read."""

    server: EmbeddedServer
    database: str

    def url(self, login: str) -> str:
        """Its address for a login."""
        return f"{self.server.url(login).rpartition('/')[0]}/{self.database}"

    @contextmanager
    def copy(self) -> Iterator["Published"]:
        """A copy of it that a test may change; sessions in the original are ended, and opened anew when need be."""
        others = "from pg_stat_activity where datname = '{}' and pid <> pg_backend_pid()"
        execute(self.server.url(SUPERUSER), f"select pg_terminate_backend(pid) {others.format(self.database)}")
        with new_database(self.server, self.database) as name:
            yield Published(self.server, name)

    def readers(self) -> Readers:
        """Each group by its own login."""
        return Readers({group: Sessions(partial(self._connect, group)) for group in GROUPS}, "UTC")

    def _connect(self, group: str) -> Connection:
        return connect_as_reader(Warehouse(self.url(login_name(group))))

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a BI tool is answered."""
        with closing(Warehouse(self.url(login_name("bi_reader"))).connect("test", role=None)) as connection:
            return fetch_all(connection, query, values)


@pytest.fixture(scope="session")
def published(server, tmp_path_factory):
    home = tmp_path_factory.mktemp("reports")
    sources = [{"name": name, "kind": "folder", "path": f"landing/{name}"} for name in ("golden", "hostile")]
    (home / "sources.yml").write_text(json.dumps({"sources": sources}))
    Landing(home / "landing" / "golden").copy(WORKED_EXAMPLE)
    write_hostile(Landing(home / "landing" / "hostile"))
    with new_database(server) as name:
        warehouse = Warehouse(f"{server.url(PIPELINE_ROLE).rpartition('/')[0]}/{name}")
        settings = replace(
            Settings.from_environment(), home=home, warehouse_url=warehouse.url, sources_file=home / "sources.yml"
        )
        assert Pipeline(warehouse, settings).run() is not None
        yield Published(server, name)


@pytest.fixture
def expected() -> dict[str, Any]:
    """The figures of the worked example, as its documentation prints them."""
    return dict(json.loads((WORKED_EXAMPLE / "expected.json").read_text(encoding="utf-8")))


@pytest.fixture
def open_as(published):
    """A client of the pages for a viewer of these groups."""
    opened = []

    def client(*groups: str) -> TestClient:
        readers = published.readers()
        opened.append(readers)
        return TestClient(reports_app(readers, lambda: Viewer("somebody", frozenset(groups))))

    yield client
    for readers in opened:
        readers.close()


@pytest.fixture
def pages(open_as) -> TestClient:
    """The pages as somebody sees them who may read the reports."""
    return open_as("bi_reader")
