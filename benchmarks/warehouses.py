"""Warehouses that benchmarks fill: each in a home of its own that is deleted at the end, whatever happens."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import click
import yaml
from psycopg2 import sql
from tests.conftest import execute, temporary_home
from tests.warehouse.conftest import Pipeline

from message_tracking.building import build, project_digest
from message_tracking.embedded import SUPERUSER, EmbeddedServer
from message_tracking.migrating import migrate
from message_tracking.pipeline import be_quiet
from message_tracking.publication import Candidate, open_candidate, shell_holder
from message_tracking.sample import SampleOptions, generate_sample
from message_tracking.sample.traits import ACTOR_TRAITS
from message_tracking.settings import Settings
from message_tracking.validation.gate import validate
from message_tracking.warehouse import PIPELINE_ROLE, Warehouse, fetch_all

Command = Callable[..., Any]

MOST_DELIVERIES = 1_000
DELIVERIES_PER_MILLION_LINES = 250

UNEVEN = frozenset({"corrupted_lines", "repeated_files", "unfinished_lines"})
"""Traits that are left out where each line of a sample is to be one event."""
AS_IT_COMES = UNEVEN | ACTOR_TRAITS
"""The same without machines, so that figures can be compared with those from before there were any."""


class BenchWarehouse:
    """A migrated, empty warehouse on a server of its own, and what is brought into it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.server = EmbeddedServer(home)
        self.settings = Settings(home, None, home / "sources.yml")
        self.warehouse = Warehouse(self.server.start())
        self.sources: dict[str, Path] = {}
        migrate(self.warehouse, self.settings)

    @cached_property
    def pipeline(self) -> Pipeline:
        """Loads and publishes over all sources."""
        return Pipeline(self.warehouse, self.settings)

    def add_source(self, name: str, folder: Path | None = None) -> Path:
        """Name one more folder in the sources file, by default a new one in the home; returns it."""
        self.sources[name] = folder or self.home / "landing" / name
        self.sources[name].mkdir(parents=True, exist_ok=True)
        self._write_sources()
        return self.sources[name]

    def remove_source(self, name: str) -> None:
        """Delete a source's folder and name it no more; what was loaded of it stays."""
        shutil.rmtree(self.sources.pop(name))
        self._write_sources()

    def _write_sources(self) -> None:
        sources = [{"name": name, "kind": "folder", "path": str(folder)} for name, folder in self.sources.items()]
        self.settings.sources_file.write_text(yaml.safe_dump({"sources": sources}))

    def add_sample(self, options: SampleOptions, name: str = "campaign") -> Path:
        """Write a sample as a source of its own; returns its folder."""
        folder = self.add_source(name)
        generate_sample(options, folder)
        return folder

    def load(self) -> int:
        """Load what is new in all sources; returns how many events were accepted.

        Ends the benchmark where a file fails.
        """
        summaries = self.pipeline.load()
        for failed in (failed for summary in summaries for failed in summary.failed_files):
            raise SystemExit(f"{failed.file_name}: {failed.reason}")
        return sum(summary.accepted for summary in summaries if summary.server)

    def open_candidate(self, *, full: bool = False) -> Candidate:
        """Open a candidate as `message-tracking build` does. Ends the benchmark where nothing is new."""
        candidate = open_candidate(self.warehouse, shell_holder(), full=full, project=project_digest(self.settings))
        if candidate is None:
            raise SystemExit("Nothing is new, so there is nothing to build.")
        return candidate

    def build(self, candidate: Candidate) -> None:
        """Build a candidate."""
        build(self.warehouse, self.settings, candidate.publication_id, be_quiet)

    def judge(self, candidate: Candidate) -> None:
        """Judge a candidate. Ends the benchmark where it may not be published."""
        verdict = validate(self.warehouse, self.settings, candidate.publication_id, be_quiet)
        if not verdict.is_publishable:
            raise SystemExit(verdict.report())

    def settle(self) -> None:
        """Bring the server to rest: nothing measured is to wait for what vacuums and checkpoints have yet to do."""
        execute(self._url_of(self.database, SUPERUSER), "vacuum (analyze)", "checkpoint")

    @contextmanager
    def copied(self, name: str) -> Iterator["BenchWarehouse"]:
        """A copy of its database as it is now, dropped at the end. No session may be open in it meanwhile."""
        administer = partial(execute, self.server.url(SUPERUSER))
        names = (sql.Identifier(part) for part in (name, self.database, PIPELINE_ROLE))
        administer(sql.SQL("create database {} template {} owner {} strategy file_copy").format(*names))
        other = copy(self)
        other.warehouse = Warehouse(self._url_of(name))
        try:
            yield other
        finally:
            administer(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def _url_of(self, database: str, login: str = PIPELINE_ROLE) -> str:
        return f"{self.server.url(login).rpartition('/')[0]}/{database}"

    @property
    def database(self) -> str:
        """The name of its database."""
        return self.warehouse.url.rpartition("/")[2]

    def query(self, query: str | sql.Composed) -> list[tuple[Any, ...]]:
        """Run one query with the pipeline's rights."""
        with closing(self.warehouse.connect("benchmark")) as session:
            return fetch_all(session, query if isinstance(query, str) else query.as_string(session))


@contextmanager
def new_warehouse() -> Iterator[BenchWarehouse]:
    """A warehouse in a home of its own."""
    with temporary_home() as home:
        yield BenchWarehouse(home)


def sample_options(lines: int, **others: Any) -> SampleOptions:
    """Options of a sample of so many events, with as many deliveries as are usual for them."""
    deliveries = min(max(lines * DELIVERIES_PER_MILLION_LINES // 1_000_000, 20), MOST_DELIVERIES)
    return replace(SampleOptions(lines, deliveries=deliveries, without=AS_IT_COMES), **others)


def lines_option(default: int) -> Callable[[Command], Command]:
    """The option for the size."""
    return click.option(
        "--lines", type=click.IntRange(min=1), default=default, show_default=True, help="Log lines, each an event."
    )
