"""The database of a Campaign instance on PostgreSQL, which we only read, a bit at a time."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import psycopg2

from message_tracking.errors import UnreadableFileError
from message_tracking.source_files import SourceFile
from message_tracking.transports.connections import SourceConnection
from message_tracking.transports.retrying import ATTEMPTS, BrokenError, again_where_broken, one_line
from message_tracking.warehouse import Connection

_CONNECT_SECONDS = 10
_SILENCE_SECONDS = 30
"""How long after the end of its time a statement is waited for: the server should have ended it."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class CampaignDatabase:
    """A database, as text known by its address. Raises ConfigurationError where the connection does not say enough."""

    connection: SourceConnection
    schema: str
    """Of the tables, as the source's `path`."""
    most_seconds_per_statement: int

    def __post_init__(self) -> None:
        """Check the connection, whose schema is the database."""
        self.connection.require("host", "login", "schema")

    def __str__(self) -> str:
        """Where it is, without the login."""
        return f"{self.connection.host}:{self.connection.port or 5432}/{self.connection.schema}"

    def require(self, source: str) -> None:
        """Raise UnreadableFileError, which names the source, where the database cannot be reached or refuses."""
        try:
            self.ask(lambda _: None)
        except UnreadableFileError as error:
            raise UnreadableFileError(f"The source {source}: {error.what}", error.hint) from error

    def ask(self, action: Callable[[Connection], Answer]) -> Answer:
        """Do something in a session of its own, and once more where that breaks off, up to five times in a row.

        The session is in UTC, only reads, and ends each statement that takes too long; each is a transaction of its
        own, so that no old rows are held back there. `action` may raise psycopg2.Error for that session only. Raises
        UnreadableFileError with what the server says.
        """
        try:
            return again_where_broken(partial(self._attempt, action))
        except BrokenError as error:
            raise UnreadableFileError(
                f"The database {self} cannot be reached, {ATTEMPTS} times in a row: {one_line(error.__cause__)}.",
                "Is it up, and may this machine connect to it? The next load reads what is missing.",
            ) from error.__cause__
        except psycopg2.errors.QueryCanceled as error:
            raise UnreadableFileError(
                f"The database {self}: a statement took longer than {self.most_seconds_per_statement} s.",
                "Its table needs an index on the column of the last change; or raise most_seconds_per_statement.",
            ) from error
        except psycopg2.Error as error:
            raise UnreadableFileError(f"The database {self} refuses: {one_line(error)}.") from error

    def _attempt(self, action: Callable[[Connection], Answer]) -> Answer:
        with closing(self._open()) as session, self._ended_in_time(session):
            try:
                return action(session)
            except psycopg2.Error as error:
                # What a server says of a statement has a code; that the line is cut has none.
                is_going_away = isinstance(error, psycopg2.errors.AdminShutdown | psycopg2.errors.CrashShutdown)
                if error.pgcode is None or is_going_away:
                    raise BrokenError from error
                raise

    def _open(self) -> Connection:
        milliseconds = self.most_seconds_per_statement * 1000
        try:
            session = psycopg2.connect(
                host=self.connection.host,
                port=self.connection.port or 5432,
                user=self.connection.login,
                password=self.connection.password,
                dbname=self.connection.schema,
                sslmode=str(self.connection.extra.get("sslmode", "prefer")),
                application_name="message-tracking",
                connect_timeout=_CONNECT_SECONDS,
                client_encoding="UTF8",
                options=f"-c timezone=UTC -c default_transaction_read_only=on -c statement_timeout={milliseconds}",
            )
        except psycopg2.OperationalError as error:
            # A server that answers and says no will say so again, and may lock the login for it.
            if "FATAL" in str(error) and "starting up" not in str(error):
                raise
            raise BrokenError from error
        session.autocommit = True
        return session

    @contextmanager
    def _ended_in_time(self, session: Connection) -> Iterator[None]:
        """Cut the line to a server that neither answers nor ends a statement in time, as one that hangs."""

        def cut() -> None:
            with socket.socket(fileno=os.dup(session.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self.most_seconds_per_statement + _SILENCE_SECONDS, cut)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


@dataclass(frozen=True)
class NoFiles:
    """What lies in a source that is a database: no files at all."""

    database: CampaignDatabase

    def require(self, source: str) -> None:
        """Raise UnreadableFileError where the database cannot be reached or refuses."""
        self.database.require(source)

    def folders(self, folder: str) -> list[str]:  # noqa: ARG002  (as every tree has it)
        """None."""
        return []

    def files(self, folder: str) -> list[SourceFile]:  # noqa: ARG002
        """None."""
        return []
