"""Where a remote source is and who may read it: Airflow's connections, without Airflow.

Secrets are in no message and in no representation.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from message_tracking.errors import ConfigurationError

_HINT = (
    "Write it as Airflow does: a URI like sftp://user:password@host:22, each part percent-encoded, or JSON with "
    "conn_type, host, login, password, port, schema and extra."
)


@dataclass(frozen=True)
class SourceConnection:
    """What a connection holds, whoever keeps it."""

    name: str
    kind: str = ""
    """`sftp`, `ssh`, `aws`, `http`, `https`, …"""
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    schema: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def require(self, *parts: str) -> None:
        """Raise ConfigurationError where one of these parts is empty."""
        missing = [part for part in parts if not getattr(self, part)]
        if missing:
            raise ConfigurationError(f"The connection {self.name} has no {' and no '.join(missing)}.", _HINT)


Connections = Callable[[str], SourceConnection]
"""Looks a connection up by its name. Raises ConfigurationError where there is none."""


def environment_connections(environment: Mapping[str, str]) -> Connections:
    """Look connections up in variables like AIRFLOW_CONN_TRACKING_FILES, as Airflow does first."""

    def find(name: str) -> SourceConnection:
        variable = f"AIRFLOW_CONN_{name.upper()}"
        text = environment.get(variable, "").strip()
        if not text:
            raise ConfigurationError(f"There is no connection {name}: the variable {variable} is not set.", _HINT)
        try:
            return _from_json(name, text) if text.startswith("{") else _from_uri(name, text)
        except (ValueError, TypeError, AttributeError) as error:
            # What it says may hold a part of the secret.
            raise ConfigurationError(
                f"The connection in the variable {variable} cannot be read.", _HINT
            ) from error.with_traceback(None)

    return find


def _from_uri(name: str, text: str) -> SourceConnection:
    parts = urlsplit(text)
    if not parts.scheme:
        raise ValueError
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    extra = json.loads(query["__extra__"]) if "__extra__" in query else query
    return SourceConnection(
        name,
        kind=parts.scheme.replace("-", "_"),
        host=unquote(parts.hostname or ""),
        port=parts.port,
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        schema=unquote(parts.path.removeprefix("/")),
        extra=dict(extra),
    )


def _from_json(name: str, text: str) -> SourceConnection:
    parts = json.loads(text)
    extra = parts.get("extra") or {}
    port = parts.get("port")
    return SourceConnection(
        name,
        kind=str(parts.get("conn_type") or ""),
        host=str(parts.get("host") or ""),
        port=int(port) if port else None,
        login=str(parts.get("login") or ""),
        password=str(parts.get("password") or ""),
        schema=str(parts.get("schema") or ""),
        extra=dict(json.loads(extra) if isinstance(extra, str) else extra),
    )
