"""A landing folder that tests fill with real files, and the whole pipeline over it."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from message_tracking.embedded import EmbeddedServer
from message_tracking.loading.delivery_data import load_delivery_data
from message_tracking.loading.summary import LoadSummary
from message_tracking.loading.tracking_logs import load_tracking_logs
from message_tracking.pipeline import publish_what_is_new
from message_tracking.publication import Publication
from message_tracking.settings import Settings
from message_tracking.source_files import SourceFiles
from message_tracking.sources import Source, Sources, configured_sources
from message_tracking.transports.opening import open_source
from message_tracking.warehouse import Warehouse, fetch_all

if TYPE_CHECKING:
    from tests.warehouse.archive import JudgedArchive

KeptParse = Callable[[Settings], AbstractContextManager[None]]

FIXTURES = Path(__file__).parents[1] / "fixtures"

DELIVERY_COLUMNS = (
    "delivery_id,internal_name,label,delivery_code,channel,state,is_proof,is_model,typology_id,campaign_id,target_count,"
    "rejected_count,to_deliver_count,text_count,new_quarantine_count,contact_at,validity_at,modified_at"
)
MESSAGE_COLUMNS = (
    "message_id,delivery_id,recipient_id,address_domain,status,failure_reason,is_seed,event_at,modified_at"
)
URL_COLUMNS = "url_id,delivery_id,type,label,category,source_url,occurrence,content_part,offer_id"
RECIPIENT_COLUMNS = "recipient_id,first_name,last_name,email,email_format,modified_at"
EXCLUSION_COLUMNS = "delivery_id,recipient_id,reason,modified_at"
CONSENT_COLUMNS = "recipient_id,purpose,is_allowed,effective_at"


VERSIONED_MARTS = """
    select nspname::text, relname::text
    from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid
    where nspname in ('marts', 'marts_private') and relkind = 'v' and relname not in ('publications', 'source_freshness')
"""
"""Schema and name of each published relation that belongs to a publication."""


class Landing:
    """One source's folder: logs of servers and exports, written as the real ones are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def copy(self, case: Path) -> None:
        """Take a whole case: its logs/ and exports/."""
        shutil.copytree(case, self.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected*"))

    def write_log(self, lines: Iterable[str], server: str = "edge", name: str = "0x0000000000000000.log") -> Path:
        """Write a tracking log of these lines."""
        file = self.folder / "logs" / server / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return file

    def write_export(self, name: str, header: str, rows: Iterable[str]) -> Path:
        """Write one export file."""
        file = self.folder / "exports" / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in (header, *rows)), encoding="utf-8")
        return file

    def describe(
        self,
        *,
        deliveries: Iterable[str] = (),
        messages: Iterable[str] = (),
        tracked_urls: Iterable[str] = (),
        recipients: Iterable[str] = (),
        exclusions: Iterable[str] = (),
        consents: Iterable[str] = (),
    ) -> None:
        """Write all exports, given their rows."""
        self.write_export("deliveries", DELIVERY_COLUMNS, deliveries)
        self.write_export("messages", MESSAGE_COLUMNS, messages)
        self.write_export("tracked_urls", URL_COLUMNS, tracked_urls)
        self.write_export("recipients", RECIPIENT_COLUMNS, recipients)
        self.write_export("exclusions", EXCLUSION_COLUMNS, exclusions)
        self.write_export("consents", CONSENT_COLUMNS, consents)


def folder_source(path: Path, name: str = "campaign", **options: Any) -> SourceFiles:
    """What lies in a folder of this machine, as a source of that name and these options."""
    return open_source(Source(name=name, kind="folder", path=path, **options))


class Pipeline:
    """Load and publish over the landing folders of a test, as `message-tracking run` does."""

    def __init__(self, warehouse: Warehouse, settings: Settings) -> None:
        self.warehouse = warehouse
        self.settings = settings
        self.lines: list[str] = []

    @property
    def sources(self) -> Sources:
        """What the test's sources file names."""
        return configured_sources(self.settings)

    def load(self) -> list[LoadSummary]:
        """Load all reference data and logs."""
        sources = [open_source(source) for source in self.sources.sources]
        summaries = [load_delivery_data(self.warehouse, files) for files in sources]
        return summaries + [
            load_tracking_logs(self.warehouse, files, server) for files in sources for server in files.servers()
        ]

    def publish(self, *, full: bool = False) -> Publication | None:
        """Build, judge and publish what is new."""
        return publish_what_is_new(self.warehouse, self.settings, full=full, report=self.lines.append)

    def run(self, *, full: bool = False) -> Publication | None:
        """Load, then publish."""
        self.load()
        return self.publish(full=full)


@pytest.fixture
def landing(settings: Settings) -> Landing:
    """The folder of the source `campaign`."""
    return Landing(settings.home / "landing" / "campaign")


@pytest.fixture
def pipeline(warehouse: Warehouse, settings: Settings, kept_parse: KeptParse) -> Iterator[Pipeline]:
    """The pipeline over one source, `campaign`."""
    file = settings.home / "sources.yml"
    file.write_text("sources:\n  - name: campaign\n    kind: folder\n    path: landing/campaign\n")
    with kept_parse(settings):
        yield Pipeline(warehouse, replace(settings, sources_file=file))


@pytest.fixture(scope="session")
def kept_parse(tmp_path_factory: pytest.TempPathFactory) -> KeptParse:
    """Give a new home what dbt has parsed for an earlier database of the same name: that saves seconds."""
    folder = tmp_path_factory.mktemp("parsed")

    @contextmanager
    def keep(settings: Settings) -> Iterator[None]:
        kept = folder / settings.warehouse_url.rpartition("/")[2]
        parsed = settings.home / "dbt" / "target" / "partial_parse.msgpack"
        parsed.parent.mkdir(parents=True)
        if kept.exists():
            shutil.copy(kept, parsed)
        yield
        if parsed.exists() and not kept.exists():
            shutil.copy(parsed, kept)

    return keep


@pytest.fixture(scope="session")
def archive(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[JudgedArchive]":
    """A warehouse whose first candidate, of the small archive, was built and judged; tests work on copies of it."""
    from tests.warehouse.archive import judged_archive  # noqa: PLC0415  (it stands on this file)

    with judged_archive(server, tmp_path_factory.mktemp("archive") / "home") as archive:
        yield archive


@pytest.fixture(scope="session")
def contents() -> Callable[[str], dict[str, tuple[object, ...]]]:
    """Everything outside of analysts' schemas: of each relation who may read it, its definition and a digest of its rows."""

    def read(url: str) -> dict[str, tuple[object, ...]]:
        with closing(Warehouse(url).connect("test")) as connection:
            relations = fetch_all(
                connection,
                r"""
                select format('%%I.%%I', nspname, relname), pg_class.oid, relacl::text, pg_get_viewdef(pg_class.oid)
                from pg_class
                inner join pg_namespace on relnamespace = pg_namespace.oid
                where
                    relkind in ('r', 'p', 'v', 'S') and nspname !~ '^(pg_|information_schema$|dev_)'
                    -- It says how long ago events were, and holds nothing of its own.
                    and relname <> 'source_freshness'
                """,
            )
            digest = "select count(*), md5(string_agg(rows::text, chr(10) order by rows::text)) from (select * from {}) as rows"
            return {name: (*rest, *fetch_all(connection, digest.format(name))[0]) for name, *rest in relations}

    return read


@pytest.fixture
def golden() -> Callable[[str], Path]:
    """The folder of a golden case by its name."""
    return lambda name: FIXTURES / "golden" / name


def published_rows(warehouse: Warehouse) -> dict[str, list[str]]:
    """Read all rows of all marts as the live publication shows them, by relation, sorted as text."""
    with closing(warehouse.connect("test")) as connection:
        return {
            mart: sorted(row for (row,) in fetch_all(connection, f"select mart::text from {schema}.{mart} as mart"))
            for schema, mart in fetch_all(connection, VERSIONED_MARTS)
        }


@pytest.fixture
def shown(warehouse: Warehouse) -> Callable[[], dict[str, list[str]]]:
    """Read all published rows of the test's warehouse."""
    return lambda: published_rows(warehouse)


@pytest.fixture
def one_feed(
    second_warehouse: Warehouse, settings: Settings, tmp_path: Path, kept_parse: KeptParse
) -> Callable[[Path], dict[str, list[str]]]:
    """Feed a landing folder at once into another warehouse and read all published rows."""

    def run(folder: Path) -> dict[str, list[str]]:
        home = tmp_path / "second_home"
        home.mkdir()
        (home / "sources.yml").write_text(f"sources: [{{name: campaign, kind: folder, path: '{folder}'}}]\n")
        second = replace(settings, home=home, warehouse_url=second_warehouse.url, sources_file=home / "sources.yml")
        with kept_parse(second):
            Pipeline(second_warehouse, second).run()
        return published_rows(second_warehouse)

    return run
