"""User agents: each distinct text stored and parsed once (design §5)."""

from collections.abc import Sequence
from contextlib import closing
from functools import cache
from hashlib import sha256

import numpy as np
import polars as pl
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values
from ua_parser import parse

from message_tracking.native import number_user_agents
from message_tracking.parsing.log_events import TEXTS, LogEvents
from message_tracking.warehouse import Warehouse

_REMEMBERED = 100_000


class UserAgentIds:
    """Finds or gives the id of each user agent, in transactions of its own on the connection it is given."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[bytes, int] = {}

    def of(self, events: LogEvents) -> NDArray[np.int32]:
        """Return the ids of the events' user agents, row by row."""
        numbers, first_rows = number_user_agents(events.buffer, events.texts)
        data = events.buffer.data
        places = events.texts[first_rows, TEXTS.index("user_agent")].tolist()
        texts = [bytes(data[start:end]) for start, end in places]
        unknown = [text for text in texts if text not in self._known]
        if unknown:
            if len(self._known) > _REMEMBERED:
                # Memory stays bounded even where every line has a user agent of its own.
                self._known = {text: self._known[text] for text in texts if text in self._known}
            self._known |= self._stored(unknown)
        return np.array([self._known[text] for text in texts], dtype=np.int32)[numbers]

    def _stored(self, texts: list[bytes]) -> dict[bytes, int]:
        """Ids of distinct texts, inserting those that nobody has seen yet."""
        by_digest = {sha256(text).digest(): text for text in texts}
        with self._connection, self._connection.cursor() as cursor:
            ids = dict(self._find(cursor, list(by_digest)))
            missing = sorted(digest for digest in by_digest if digest not in ids)
            if missing:
                decoded = {digest: by_digest[digest].decode() for digest in missing}
                # In one order everywhere, so that two loads never wait for each other's rows.
                execute_values(
                    cursor,
                    "insert into raw.user_agents (digest, user_agent, browser, browser_version, operating_system, "
                    "operating_system_version, device, is_crawler) values %s on conflict (digest) do nothing",
                    [
                        (digest, text, *parsed_user_agent(text), is_crawler)
                        for (digest, text), is_crawler in zip(
                            decoded.items(), are_crawlers(list(decoded.values())), strict=True
                        )
                    ],
                    page_size=1000,
                )
                ids |= dict(self._find(cursor, missing))
        return {text: ids[digest] for digest, text in by_digest.items()}

    @staticmethod
    def _find(cursor: Cursor, digests: list[bytes]) -> list[tuple[bytes, int]]:
        """Look up what is there."""
        cursor.execute("select digest, user_agent_id from raw.user_agents where digest = any(%s)", (digests,))
        return [(bytes(digest), user_agent_id) for digest, user_agent_id in cursor.fetchall()]


def are_crawlers(texts: Sequence[str]) -> list[bool]:
    """Return for each text whether the list of the package crawler-user-agents names it, in any case of letters.

    The list names image proxies of mail providers, too: who judges opens has to look for those first.
    """
    return pl.Series(texts, dtype=pl.String).str.contains(_crawlers()).to_list()


@cache
def _crawlers() -> str:
    """All patterns of the list as one, for polars, which is 30 times faster with them than the package itself."""
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # noqa: PLC0415  (reads its list: only who needs it pays)

    return "(?i)" + "|".join(crawler["pattern"] for crawler in CRAWLER_USER_AGENTS_DATA)


def refresh_crawlers(warehouse: Warehouse) -> int:
    """Look every User-Agent up in the list of crawlers that is installed now; returns of how many it says otherwise."""
    with closing(warehouse.connect("refresh crawlers")) as connection, connection, connection.cursor() as cursor:
        cursor.execute("select user_agent_id, user_agent, is_crawler from raw.user_agents")
        changed = []
        while rows := cursor.fetchmany(_REMEMBERED):
            ids, texts, known = zip(*rows, strict=True)
            found = are_crawlers(texts)
            changed += [key for key, was, now in zip(ids, known, found, strict=True) if was != now]
        cursor.execute(
            "update raw.user_agents set is_crawler = not is_crawler where user_agent_id = any(%s)", (changed,)
        )
    return len(changed)


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
