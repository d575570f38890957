"""Connections to the warehouse, whoever runs its server."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import psycopg2
from psycopg2.extensions import connection, cursor

from message_tracking.errors import ConfigurationError, MessageTrackingError

Connection = connection
Cursor = cursor

PIPELINE_ROLE = "tracking_pipeline"


@dataclass(frozen=True)
class Warehouse:
    """One Postgres database, named by its URL `postgresql://user:password@host:port/database`."""

    url: str

    def __post_init__(self) -> None:
        """Refuse what is no Postgres URL, without printing the password it may hold."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname or not parts.path.strip("/"):
            raise ConfigurationError(
                "The warehouse address is no Postgres URL.",
                "Write MESSAGE_TRACKING_WAREHOUSE as postgresql://user:password@host:port/database.",
            )

    @property
    def address(self) -> str:
        """Host, port and database without the login, for messages."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or 5432}{parts.path}"

    def connect(self, application_name: str = "message-tracking", role: str | None = PIPELINE_ROLE) -> Connection:
        """Open a session in UTC that acts as `role` (None: as the login itself).

        Raises MessageTrackingError where the server cannot be reached or refuses.
        """
        options = "-c timezone=UTC -c client_encoding=UTF8" + (f" -c role={role}" if role else "")
        try:
            return psycopg2.connect(self.url, application_name=application_name, options=options, connect_timeout=10)
        except psycopg2.OperationalError as error:
            hint = "Is the server running? `message-tracking dsn` starts the embedded one."
            if "does not exist" in str(error) or "permission denied to set role" in str(error):
                hint = "The database is not set up yet: run `message-tracking migrate`."
            what = f"Cannot connect to the warehouse at {self.address}: {error}".strip()
            raise MessageTrackingError(what, hint) from error

    def dbt_environment(self, candidate_id: int | None = None) -> dict[str, str]:
        """Environment variables that the dbt project reads, and none of the caller's own session settings.

        The candidate is no dbt variable: dbt would read the whole project anew for each one.
        """
        parts = urlsplit(self.url)
        return {
            "PGOPTIONS": "",
            "MESSAGE_TRACKING_CANDIDATE": "" if candidate_id is None else str(candidate_id),
            "MESSAGE_TRACKING_DBT_HOST": parts.hostname or "",
            "MESSAGE_TRACKING_DBT_PORT": str(parts.port or 5432),
            "MESSAGE_TRACKING_DBT_USER": unquote(parts.username or ""),
            "MESSAGE_TRACKING_DBT_PASSWORD": unquote(parts.password or ""),
            "MESSAGE_TRACKING_DBT_DATABASE": unquote(parts.path.strip("/")),
            "MESSAGE_TRACKING_DBT_SSLMODE": dict(parse_qsl(parts.query)).get("sslmode", "prefer"),
        }


def postgres_url(host: str, port: int, database: str, user: str, password: str) -> str:
    """Write a Postgres URL, quoting what needs it."""
    return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@{host}:{port}/{quote(database, safe='')}"


def fetch_all(connection: Connection, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Run one query and return all of its rows: for results that are known to be small."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()
