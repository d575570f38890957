"""What a page reads: mostly one publication, in one transaction, with the rights of one group of readers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from queue import Empty, LifoQueue
from string import Formatter
from typing import Any

import psycopg2
import psycopg2.extras
import yaml
from psycopg2 import sql

from message_tracking.embedded import EmbeddedServer
from message_tracking.errors import MessageTrackingError
from message_tracking.migrating import GROUPS, login_name
from message_tracking.settings import Settings
from message_tracking.warehouse import Connection, Warehouse

Row = dict[str, Any]

LONGEST_STATEMENT = "15s"
"""A page that takes longer is not waited for: the reader is told to ask for less."""


class UnavailableError(MessageTrackingError):
    """The warehouse does not answer, or not in time."""


class NothingPublishedError(MessageTrackingError):
    """Nothing was published yet."""


class NotKeptError(MessageTrackingError):
    """The publication that was asked for cannot be read (any more)."""


class Audience(StrEnum):
    """Whose events the figures count."""

    EVERYTHING = "everything"
    PEOPLE = "people"

    def column(self, name: str) -> str:
        """The column that holds a figure for this audience."""
        return f"human_{name}" if self is Audience.PEOPLE else name


@dataclass(frozen=True)
class Publication:
    """One publication that readers can still see."""

    number: int
    published_at: datetime
    is_live: bool


class Sessions:
    """Sessions of one group, kept for the next page: to open one costs a good part of a page."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._idle: LifoQueue[Connection] = LifoQueue()

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """A session outside of a transaction; MessageTrackingError where the server cannot be reached."""
        connection = self._kept() or self._opened()
        try:
            yield connection
            connection.rollback()
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)

    def close(self) -> None:
        """Close those that nobody uses."""
        while not self._idle.empty():
            self._idle.get().close()

    def _kept(self) -> Connection | None:
        """An idle session that still answers."""
        while True:
            try:
                connection = self._idle.get_nowait()
            except Empty:
                return None
            try:
                with connection.cursor() as cursor:
                    cursor.execute("select")
            except psycopg2.Error:
                connection.close()
            else:
                connection.rollback()
                return connection

    def _opened(self) -> Connection:
        connection = self._connect()
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        return connection


@dataclass(frozen=True)
class Readers:
    """How to reach one warehouse as each group of readers."""

    sessions: Mapping[str, Sessions]
    time_zone: str
    """The reporting time zone, in which days are days."""

    @classmethod
    def of_settings(cls, settings: Settings) -> "Readers":
        """Use each group's own login on the embedded server; on another one act as the group, if the login may."""
        return cls(
            {group: Sessions(partial(_connect_as, group, settings)) for group in GROUPS}, reporting_time_zone(settings)
        )

    @contextmanager
    def snapshot(self, group: str, audience: Audience, publication: int | None = None) -> Iterator["Snapshot"]:
        """Open a read-only transaction that sees one publication: the one of that number, or the live one.

        Raises UnavailableError, NothingPublishedError or NotKeptError.
        """
        with _errors_told(publication), self.sessions[group].one() as connection:
            yield Snapshot(connection, audience, publication, self.time_zone)

    @contextmanager
    def operations(self, group: str) -> Iterator["Reading"]:
        """Open a read-only transaction that sees no publication but what is going on. Raises UnavailableError."""
        with _errors_told(None), self.sessions[group].one() as connection:
            yield Reading(connection, self.time_zone)

    def close(self) -> None:
        """Close all sessions that nobody uses."""
        for sessions in self.sessions.values():
            sessions.close()


class Reading:
    """A read-only transaction on the clock of a time zone, in which no statement takes too long."""

    def __init__(self, connection: Connection, time_zone: str) -> None:
        self.connection = connection
        self.time_zone = time_zone
        self._execute(
            "select set_config('TimeZone', %s, true), set_config('statement_timeout', %s, true)",
            (time_zone, LONGEST_STATEMENT),
        )

    def rows(self, query: str, **values: Any) -> list[Row]:
        """Run a query; `%(name)s` in it is a value."""
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(self.composed(query), values)
            return [dict(row) for row in cursor.fetchall()]

    def row(self, query: str, **values: Any) -> Row | None:
        """The first row of a query, None where it has none."""
        return next(iter(self.rows(query, **values)), None)

    def stream(self, query: str, **values: Any) -> Iterator[Row]:
        """The rows of a query that may be long, a thousand at a time."""
        with self.connection.cursor(name="export", cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.itersize = 1000
            cursor.execute(self.composed(query), values)
            for row in cursor:
                yield dict(row)

    def composed(self, query: str) -> sql.Composable:
        """The query as it is run."""
        return sql.SQL(query)

    def _execute(self, query: str, values: tuple[Any, ...]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(query, values)


class Snapshot(Reading):
    """A transaction that sees one publication and knows whose events to count.

    `{name}` in its queries is the audience's column of that name.
    """

    def __init__(self, connection: Connection, audience: Audience, publication: int | None, time_zone: str) -> None:
        super().__init__(connection, time_zone)
        self.audience = audience
        known = self.rows(
            """
            select publication_id as number, published_at, is_live
            from marts.publications where is_kept and status = 'published' order by publication_id desc
            """,
        )
        self.kept = [Publication(**row) for row in known]
        self.publication = self._chosen(publication)
        self._execute("select set_config('message_tracking.publication', %s, true)", (str(self.publication.number),))

    def _chosen(self, number: int | None) -> Publication:
        for one in self.kept:
            if one.number == number or (number is None and one.is_live):
                return one
        if number is None:
            raise NothingPublishedError("Nothing has been published yet.")
        raise NotKeptError(f"Publication {number} cannot be shown: it is no longer kept, or never was published.")

    def freshness(self) -> list[Row]:
        """How far the logs of each source and tracking server have been read (spec 6.5)."""
        return self.rows("select * from marts.source_freshness order by source, server")

    def composed(self, query: str) -> sql.Composable:
        """The query with the audience's columns in it."""
        names = {name for _, name, _, _ in Formatter().parse(query) if name}
        return sql.SQL(query).format(**{name: sql.Identifier(self.audience.column(name)) for name in names})


@contextmanager
def _errors_told(publication: int | None) -> Iterator[None]:
    """Turn what the server says into an error that a reader of pages understands."""
    try:
        yield
    except (UnavailableError, NothingPublishedError, NotKeptError):
        raise
    except MessageTrackingError as error:
        raise UnavailableError(error.what, error.hint) from error
    except psycopg2.errors.QueryCanceled as error:
        raise UnavailableError(
            f"The warehouse did not answer within {LONGEST_STATEMENT}.", "Ask for less, or again in a moment."
        ) from error
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise UnavailableError("The connection to the warehouse was lost.", "Try again in a moment.") from error
    except psycopg2.errors.UndefinedTable as error:
        raise NothingPublishedError("Nothing has been published yet.") from error
    except psycopg2.errors.InvalidParameterValue as error:
        raise NotKeptError(f"Publication {publication} is no longer kept.") from error


def holding(words: str) -> str:
    """The pattern with which `like` finds texts that hold the words as they are."""
    return "%" + words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


def reporting_time_zone(settings: Settings) -> str:
    """The time zone in which the marts' days are days, as the dbt project declares it."""
    project = yaml.safe_load((settings.dbt_project / "dbt_project.yml").read_text(encoding="utf-8"))
    return str(project["vars"]["reporting_time_zone"])


def connect_as_reader(warehouse: Warehouse, role: str | None = None) -> Connection:
    """Open a session of the pages, as the login itself or as a role that it may take."""
    return warehouse.connect("message-tracking reports", role=role)


def _connect_as(group: str, settings: Settings) -> Connection:
    if settings.warehouse_url:
        return connect_as_reader(Warehouse(settings.warehouse_url), group)
    return connect_as_reader(Warehouse(EmbeddedServer(settings.home).url(login_name(group))))
