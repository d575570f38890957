"""User agents: each distinct text stored and parsed once (design §5)."""

from hashlib import sha256

import polars as pl
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values
from ua_parser import parse

_REMEMBERED = 100_000
_SCHEMA = pl.Schema({"user_agent": pl.String(), "user_agent_id": pl.Int32()})


class UserAgentIds:
    """Finds or gives the id of each user agent, in transactions of its own on the connection it is given."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known = _SCHEMA.to_frame()

    def of(self, user_agents: pl.Series) -> pl.Series:
        """Return the ids of a column of texts, row by row."""
        texts = user_agents.alias("user_agent").to_frame()
        unknown = texts.unique().join(self._known, on="user_agent", how="anti").to_series().to_list()
        if unknown:
            # Memory stays bounded even where every line has a user agent of its own.
            kept = (
                self._known
                if self._known.height < _REMEMBERED
                else self._known.join(texts, on="user_agent", how="semi")
            )
            self._known = pl.concat([kept, self._stored(unknown)])
        return texts.join(self._known, on="user_agent", how="left", maintain_order="left")["user_agent_id"]

    def _stored(self, texts: list[str]) -> pl.DataFrame:
        """Columns user_agent and user_agent_id of distinct texts, inserting those that nobody has seen yet."""
        by_digest = {sha256(text.encode()).digest(): text for text in texts}
        with self._connection, self._connection.cursor() as cursor:
            ids = dict(self._find(cursor, list(by_digest)))
            missing = sorted(digest for digest in by_digest if digest not in ids)
            if missing:
                # In one order everywhere, so that two loads never wait for each other's rows.
                execute_values(
                    cursor,
                    "insert into raw.user_agents (digest, user_agent, browser, browser_version, operating_system, "
                    "operating_system_version, device) values %s on conflict (digest) do nothing",
                    [(digest, by_digest[digest], *parsed_user_agent(by_digest[digest])) for digest in missing],
                    page_size=1000,
                )
                ids |= dict(self._find(cursor, missing))
        return pl.DataFrame(
            {"user_agent": list(by_digest.values()), "user_agent_id": [ids[d] for d in by_digest]}, _SCHEMA
        )

    @staticmethod
    def _find(cursor: Cursor, digests: list[bytes]) -> list[tuple[bytes, int]]:
        """Look up what is there."""
        cursor.execute("select digest, user_agent_id from raw.user_agents where digest = any(%s)", (digests,))
        return [(bytes(digest), user_agent_id) for digest, user_agent_id in cursor.fetchall()]


def parsed_user_agent(text: str) -> tuple[str, str, str, str, str]:
    """Return browser, its version, operating system, its version and device family; `''` for what is not known."""
    result = parse(text)
    browser, system, device = result.user_agent, result.os, result.device
    return (
        browser.family if browser else "",
        _version(browser.major, browser.minor, browser.patch) if browser else "",
        system.family if system else "",
        _version(system.major, system.minor, system.patch) if system else "",
        device.family if device else "",
    )


def _version(*parts: str | None) -> str:
    """Join a version's parts up to the first that is missing."""
    known: list[str] = []
    for part in parts:
        if part is None:
            break
        known.append(part)
    return ".".join(known)
