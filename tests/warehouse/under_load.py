"""Publications and rollbacks one after the other while readers read, and what was true of each of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from tests.conftest import execute
from tests.warehouse.conftest import Pipeline
from tests.warehouse.reading import (
    ANALYSTS_SCHEMA,
    ANALYSTS_VIEWS,
    KINDS,
    Kind,
    Readers,
    Span,
    digests,
    lock_waits,
    log_lock_waits,
    mixtures,
    pin,
    read_pinned,
    readers,
    versioned_columns,
)
from tests.warehouse.slices import Slices

from message_tracking.embedded import DATABASE, SUPERUSER, EmbeddedServer
from message_tracking.errors import RefusedError
from message_tracking.migrating import login_name, migrate
from message_tracking.publication import forget_old_versions, rollback
from message_tracking.sample import SampleOptions, generate_sample
from message_tracking.settings import Settings
from message_tracking.warehouse import Warehouse, fetch_all

SOURCES = "sources: [{name: campaign, kind: folder, path: landing/campaign}]\n"


class UnderLoad:
    """A warehouse in a home of its own with one publication, views of analysts on it, and what comes in later.

    `lines` of log of so many `deliveries` are published first, slices of `slice_lines` each later.
    """

    def __init__(self, home: Path, *, lines: int, deliveries: int, slice_lines: int) -> None:
        self.server = EmbeddedServer(home)
        settings = Settings(home, None, home / "sources.yml")
        settings.sources_file.write_text(SOURCES)
        self.warehouse = Warehouse(self.server.start())
        migrate(self.warehouse, settings)
        log_lock_waits(partial(execute, self.server.url(SUPERUSER)), DATABASE)
        folder = home / "landing" / "campaign"
        generate_sample(SampleOptions(lines, deliveries=deliveries, without=frozenset({"corrupted_lines"})), folder)
        self.slices = Slices(folder, slice_lines)
        self.pipeline = Pipeline(self.warehouse, settings)
        self.figures: dict[tuple[Kind, int], str] = {}
        self.columns: dict[int, dict[str, list[str]]] = {}
        self.digests: dict[int, dict[str, str]] = {}
        self.switches: list[tuple[float, float, int]] = []
        self.rollback_count = 0
        self.pipeline.load()
        with self.session("tracking_analyst") as session, session, session.cursor() as cursor:
            cursor.execute("select ops.make_analyst_schema()")
        first = self._switch(self.pipeline.publish)
        with self.session("tracking_analyst") as session, session, session.cursor() as cursor:
            for name, query in ANALYSTS_VIEWS.items():
                cursor.execute(f"create view {ANALYSTS_SCHEMA}.{name} as {query}")
        self._note(first.publication_id)

    def session(self, group: str, **options: str) -> AbstractContextManager[Connection]:
        """A session with the login of a group."""
        return closing(psycopg2.connect(self.server.url(login_name(group)), **options))

    def readers(self, **options: Any) -> AbstractContextManager[Readers]:
        """Readers of every kind, while the context lasts."""
        return readers(self.server.url, **options)

    def publish(self, **options: bool) -> int:
        """Load and publish what is new; returns the number."""
        self.pipeline.load()
        publication_id = self._switch(partial(self.pipeline.publish, **options)).publication_id
        self._note(publication_id)
        return publication_id

    def publish_slice(self) -> int:
        """Publish one more slice; returns the number."""
        self.slices.write()
        return self.publish()

    def refuse_slice(self) -> None:
        """Let the gate refuse a slice for its reference data, which is mended then."""
        delivery_id = self.slices.write()
        self.slices.give_links_away(delivery_id)
        with suppress(RefusedError):
            number = self.publish()
            raise AssertionError(f"{number} was published although its links belong to another delivery")
        self.slices.give_links_back(delivery_id)

    def roll_back(self, to: int | None = None) -> int:
        """Roll back; returns the number that is live then."""
        self.rollback_count += 1
        return self._switch(lambda: rollback(self.warehouse, to))[1]

    def change_project(self, project: Path) -> None:
        """Publish with the models of another project from now on."""
        self.pipeline.settings = replace(self.pipeline.settings, project=project)

    def kept(self) -> list[int]:
        """The numbers of the publications that are kept, in order."""
        with closing(self.warehouse.connect()) as session:
            kept = fetch_all(session, "select publication_id from ops.publications where is_kept order by 1")
        return [number for (number,) in kept]

    def faults(self, seen: Readers) -> Iterator[str]:
        """Tell what readers should not have met, and what they read that was no publication that was live."""
        yield from seen.faults
        spans = [Span(number, since, until) for (since, _, number), (_, until, _) in pairwise(self.switches)]
        since, _, number = self.switches[-1]
        yield from mixtures(seen.readings, [*spans, Span(number, since, float("inf"))], self.figures)

    def lock_waits(self) -> list[float]:
        """How long readers have waited for locks, in milliseconds, where it was noticeable."""
        return lock_waits(self.server.log, DATABASE)

    def faults_of_kept(self) -> Iterator[str]:
        """Tell each kept publication that does not show what it did when it was published, and each version left over."""
        kept = self.kept()
        with self.session("tracking_analyst") as session:
            for number in kept:
                pin(session, number)
                if digests(session, self.columns[number]) != self.digests[number]:
                    yield f"publication {number} does not show any more what it did"
        with closing(self.warehouse.connect()) as session:
            stores = fetch_all(
                session,
                "select oid::regclass::text from pg_class where relnamespace = 'mart_store'::regnamespace and relkind = 'r'",
            )
            for (store,) in stores:
                ((left,),) = fetch_all(session, f"select count(*) from {store} where valid_to <= %s", (kept[0],))
                if left:
                    yield f"{store} has {left} rows that no kept publication shows"

    def forget(self, kept: int) -> None:
        """Keep fewer publications from now on."""
        forget_old_versions(self.warehouse, kept)

    def surroundings(self) -> dict[str, tuple[Any, ...]]:
        """Owner, rights and comment of everything published and of analysts' views, by relation and by column."""
        with closing(self.warehouse.connect()) as session:
            found = fetch_all(
                session,
                r"""
                select
                    format('%%s.%%s', nspname, relname), relowner::regrole::text, relacl::text, obj_description(pg_class.oid, 'pg_class'),
                    case when starts_with(nspname, 'dev_') then pg_get_viewdef(pg_class.oid) end
                from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid
                where nspname ~ '^(marts|marts_private|dev_.*)$'
                union all
                select
                    format('%%s.%%s.%%s', nspname, relname, attname), format_type(atttypid, atttypmod), attacl::text,
                    col_description(attrelid, attnum), null
                from pg_attribute
                inner join pg_class on attrelid = pg_class.oid
                inner join pg_namespace on relnamespace = pg_namespace.oid
                where nspname ~ '^(marts|marts_private|dev_.*)$' and attnum > 0
                """,
            )
        return {name: tuple(rest) for name, *rest in found}

    def _switch(self, change: Callable[[], Any]) -> Any:
        """Change what is live and note from when on and until when it may have happened."""
        before = time.monotonic()
        changed = change()
        live = getattr(changed, "publication_id", None) or changed[1]
        self.switches.append((before, time.monotonic(), live))
        return changed

    def _note(self, number: int) -> None:
        """Keep what a new publication shows."""
        for kind in KINDS:
            with self.session(kind.group) as session:
                self.figures[kind, number] = read_pinned(session, kind, number).digest
        with self.session("tracking_analyst") as session:
            self.columns[number] = versioned_columns(session)
            pin(session, number)
            self.digests[number] = digests(session, self.columns[number])
