"""A small archive of 2012 in which nothing is wrong, and copies of a warehouse whose candidate was built from it.

Its figures are unusual and right: more clicks than messages, and fewer persons than recipients who clicked.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.conftest import new_database
from tests.warehouse.conftest import Landing, Pipeline

from message_tracking.building import build
from message_tracking.embedded import EmbeddedServer
from message_tracking.pipeline import be_quiet
from message_tracking.publication import open_candidate, shell_holder
from message_tracking.settings import Settings
from message_tracking.validation.gate import validate
from message_tracking.validation.verdict import Verdict
from message_tracking.warehouse import PIPELINE_ROLE, Warehouse

CONTACT = datetime(2012, 3, 5, 8, tzinfo=UTC)

Event = tuple[int, int, int]
"""Message, delivery and URL of a log line."""


def delivery(delivery_id: int, label: str, target_count: int = 10, rejected_count: int = 0) -> str:
    """A row of deliveries.csv."""
    to_deliver_count = target_count - rejected_count
    return (
        f"{delivery_id},DM{delivery_id},{label},,0,95,false,false,1,,{target_count},{rejected_count},{to_deliver_count},0,0,"
        f"{CONTACT:%Y-%m-%dT%H:%M:%SZ},,"
    )


def message(message_id: int, delivery_id: int, status: int = 1, failure_reason: int = 0) -> str:
    """A row of messages.csv."""
    at = f"{CONTACT:%Y-%m-%dT%H:%M:%SZ}"
    return f"{message_id},{delivery_id},{message_id},example.net,{status},{failure_reason},false,{at},{at}"


def tracked_url(url_id: int, delivery_id: int, url_type: int, label: str, category: str = "") -> str:
    """A row of tracked_urls.csv, whose address is that of `address`."""
    return f"{url_id},{delivery_id},{url_type},{label},{category},{address(url_id)},0,html,"


def address(url_id: int) -> str:
    """Where a tracked URL leads."""
    return f"https://www.example/{url_id}"


def body(*addresses: str) -> str:
    """A message body with these links."""
    return "".join(f'<p><a href="{one}">here</a></p>' for one in addresses)


def log_lines(events: Iterable[Event], counter: int = 1, start: datetime = CONTACT) -> list[str]:
    """Write events as log lines with consecutive ids, two minutes apart; transactions are those of URL 1005."""
    return [
        f"50x{counter + place:016X}\t{start + timedelta(minutes=2 * place):%Y-%m-%dT%H:%M:%S}"
        f"\t{message_id:x}\t{delivery_id:x}\t{url_id:x}\t0\t\th"
        f"\t{'amount=19.90&article=2' if url_id == 1005 else ''}\tMozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\t203.0.113.10"
        for place, (message_id, delivery_id, url_id) in enumerate(events)
    ]


DELIVERIES = [delivery(1000, "Spring sale", 13, 3), delivery(2000, "Newsletter")]
MESSAGES = [
    *[message(number, 1000) for number in range(100, 110)],
    *[message(number, 2000) for number in range(200, 208)],
    message(208, 2000, status=2, failure_reason=1),
    message(209, 2000, status=2, failure_reason=5),
]
TRACKED_URLS = [
    tracked_url(1001, 1000, 1, "Shop", "promo"),
    tracked_url(1002, 1000, 1, "Blog", "news"),
    tracked_url(1003, 1000, 3, "Leave"),
    tracked_url(1004, 1000, 4, "Page"),
    tracked_url(1005, 1000, 5, "Ordered"),
    tracked_url(1006, 1000, 6, "Mirror page"),
    tracked_url(1007, 1000, 1, "Quiet", "quiet"),
    tracked_url(2001, 2000, 1, "Blog"),
]
RECIPIENTS = [f"{number},First,Last,p{number}@example.net,2," for number in range(100, 110)]
EXCLUSIONS = ["1000,301,quarantine,", "1000,302,quarantine,", "1000,303,duplicate,"]
EVENTS: list[Event] = [
    *[(number, 1000, 1) for number in range(100, 106)],
    *[(number, 1000, 1001) for number in (100, 101, 102) for _ in range(4)],
    *[(100, 1000, url_id) for url_id in (1002, 1003, 1004, 1005, 1006)],
    *[(200, 2000, 1), (200, 2000, 2001), (201, 2000, 1)],
]


def write_archive(landing: Landing) -> None:
    """Write all of it as exports, a message body and a log."""
    landing.describe(
        deliveries=DELIVERIES,
        messages=MESSAGES,
        tracked_urls=TRACKED_URLS,
        recipients=RECIPIENTS,
        exclusions=EXCLUSIONS,
    )
    write_body(landing, 1000, body(*(address(url_id) for url_id in (1001, 1002, 1003, 1006, 1007))))
    landing.write_log(log_lines(EVENTS))


def write_body(landing: Landing, delivery_id: int, text: str) -> None:
    """Write the HTML body of a delivery."""
    folder = landing.folder / "contents"
    folder.mkdir(exist_ok=True)
    (folder / f"{delivery_id}.html").write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class JudgedArchive:
    """A warehouse that nobody is connected to: the archive is built in it and judged, its candidate open."""

    server: EmbeddedServer
    database: str
    settings: Settings
    candidate_id: int
    verdict: Verdict

    @contextmanager
    def copy(self) -> Iterator[Pipeline]:
        """The pipeline over a copy of the warehouse, and over the same landing folder."""
        with new_database(self.server, self.database) as name:
            warehouse = _warehouse(self.server, name)
            yield Pipeline(warehouse, replace(self.settings, warehouse_url=warehouse.url))

    @property
    def original(self) -> Pipeline:
        """The pipeline over the warehouse itself."""
        return Pipeline(Warehouse(self.settings.warehouse_url), self.settings)

    @property
    def landing(self) -> Landing:
        """The folder of its source."""
        return Landing(self.settings.home / "landing" / "campaign")


@contextmanager
def judged_archive(server: EmbeddedServer, home: Path) -> Iterator[JudgedArchive]:
    """Load, build and judge the archive in a database of its own, with its files below the home."""
    home.mkdir(exist_ok=True)
    (home / "sources.yml").write_text("sources: [{name: campaign, kind: folder, path: landing/campaign}]\n")
    write_archive(Landing(home / "landing" / "campaign"))
    with new_database(server) as name:
        warehouse = _warehouse(server, name)
        settings = replace(
            Settings.from_environment(), home=home, warehouse_url=warehouse.url, sources_file=home / "sources.yml"
        )
        Pipeline(warehouse, settings).load()
        candidate = open_candidate(warehouse, shell_holder())
        build(warehouse, settings, candidate.publication_id, be_quiet)
        verdict = validate(warehouse, settings, candidate.publication_id, be_quiet)
        yield JudgedArchive(server, name, settings, candidate.publication_id, verdict)


def plant(warehouse: Warehouse, *statements: str) -> None:
    """Run statements in the warehouse, each in a transaction of its own."""
    with closing(warehouse.connect("test")) as connection:
        for statement in statements:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)


def project_copy(settings: Settings, folder: Path, *relations: str) -> Path:
    """A copy of the dbt project and of the suites (of these relations only, if any are named), to be changed by a test."""
    shutil.copytree(settings.dbt_project, folder / "dbt_project")
    (folder / "expectations").mkdir()
    for file in settings.expectations.glob("*.py"):
        if not relations or file.stem in relations:
            shutil.copy(file, folder / "expectations")
    return folder


def _warehouse(server: EmbeddedServer, database: str) -> Warehouse:
    return Warehouse(f"{server.url(PIPELINE_ROLE).rpartition('/')[0]}/{database}")
