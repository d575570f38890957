"""A sample, read back by plain loops that share nothing with its generator."""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from message_tracking.sample import SampleOptions, generate_sample, generating, reactions
from message_tracking.sample.networks import NETWORKS

OPTIONS = SampleOptions(lines=20_000, seed=7, corrupted_share=0.01, actors_file=True)
KEYS = {
    "deliveries": ("delivery_id",),
    "messages": ("message_id",),
    "tracked_urls": ("url_id",),
    "recipients": ("recipient_id",),
    "exclusions": ("delivery_id", "recipient_id"),
    "consents": ("recipient_id", "purpose", "effective_at"),
}
KINDS = {"1": "click", "3": "opt_out", "4": "web", "5": "transaction", "6": "mirror_page"}

RANGES = {network.name: [ip_network(one) for one in network.ranges] for network in NETWORKS}

_PRINTABLE = r"[^\x00-\x1F\x7F-\x9F]*"
# The portable form of spec §2.2.
GRAMMAR = re.compile(
    r"[0-9A-Za-z]{2}x[0-9A-Za-z]*\t[0-9T:.\-]*\t[0-9A-Fa-f]*\t[0-9A-Fa-f]*\t[0-9A-Fa-f]*\t[0-9A-Za-z]*\t[0-9A-Za-z\-]*"
    rf"\t{_PRINTABLE}\t{_PRINTABLE}\t{_PRINTABLE}"
    rf"\t(?:[0-9A-Fa-f.:]*|[0-9A-Fa-f.:]*\t{_PRINTABLE}|[0-9A-Fa-f.:]*,{_PRINTABLE})"
)


class Event(NamedTuple):
    """One good line."""

    at: datetime
    message_id: int
    delivery_id: int
    url_id: int
    uuid: str
    letter: str
    parameters: str
    agent: str
    address: str
    line: bytes

    @property
    def log_id(self) -> str:
        return self.line[:19].decode()

    @property
    def comes_from(self) -> str:
        """The name of the network, '' where it is the reader's own."""
        return network_of(self.address)


def is_strict(fields: list[str]) -> bool:
    """Whether the fields of a line that keeps the grammar keep the strict layer of design §6, as far as samples go."""
    return (
        fields[1] != "2025-02-30T12:00:00"
        and all(1 <= len(field) <= 8 for field in fields[2:5])
        and len(fields[6]) <= 48
        and len(fields[7]) == 1
        and not fields[10].endswith(".256")
    )


def event(raw: bytes) -> Event | None:
    """Read a line, None where it is corrupted."""
    line = raw.removesuffix(b"\r").decode(errors="replace")
    fields = line.split("\t")
    if not GRAMMAR.fullmatch(line) or not is_strict(fields):
        return None
    message_id, delivery_id, url_id = (int(field, 16) - (int(field, 16) >> 31 << 32) for field in fields[2:5])
    return Event(
        datetime.fromisoformat(fields[1]), message_id, delivery_id, url_id, *fields[6:10], "\t".join(fields[10:]), raw
    )


@cache
def network_of(address: str) -> str:
    # Those of readers are kept for tests and documentation, with a proxy behind some.
    if not address or address.startswith(("198.18.", "198.19.", "2001:db8:")):
        return ""
    (name,) = {name for name, ranges in RANGES.items() for one in ranges if ip_address(address) in one}
    return name


@dataclass(frozen=True)
class Sample:
    """A sample's folder and what is in it."""

    folder: Path
    event = staticmethod(event)

    @cached_property
    def planted(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "planted.json").read_text()))

    @cached_property
    def files(self) -> dict[str, dict[str, list[bytes]]]:
        """Finished lines by server and file name."""
        return {
            folder.name: {path.name: content_of(path).split(b"\n")[:-1] for path in sorted(folder.iterdir())}
            for folder in sorted((self.folder / "logs").iterdir())
        }

    @cached_property
    def lines(self) -> dict[str, list[bytes]]:
        """Lines by server, without the files that repeat others."""
        return {
            server: [line for name in self.logs(server) for line in self.files[server][name]] for server in self.files
        }

    def logs(self, server: str) -> list[str]:
        """Names of a server's files that follow on each other: each begins where all lines so far are older."""
        names: list[str] = []
        newest = ""
        for name, lines in self.files[server].items():
            if name[:18] > newest and name.startswith("0x0"):
                names.append(name)
                newest = max(line[1:19].decode() for line in lines if re.match(rb"[0-9A-Za-z]0x[0-9A-F]{16}\b", line))
        return names

    @cached_property
    def events(self) -> list[Event]:
        """The good lines of all servers, in the order of time."""
        return sorted(found for lines in self.lines.values() for line in lines if (found := event(line)))

    @cached_property
    def actors(self) -> dict[str, str]:
        """Who is behind each log id; nobody is known where there is no such file."""
        path = self.folder / "actors.csv.gz"
        if not path.exists():
            return {}
        rows = list(csv.DictReader(io.StringIO(content_of(path).decode())))
        found = {row["log_id"]: row["actor"] for row in rows}
        assert len(found) == len(rows)
        return found

    def of_actor(self, actor: str) -> list[Event]:
        """The events of all actors of a kind, in the order of time."""
        return [found for found in self.events if self.actors.get(found.log_id) == actor]

    @cached_property
    def sent_at(self) -> dict[int, datetime]:
        """When each message was sent."""
        return {
            int(row["message_id"]): datetime.fromisoformat(row["event_at"][:-1]) for row in self.exports["messages"]
        }

    @cached_property
    def rows(self) -> dict[str, list[tuple[str, dict[str, str]]]]:
        """Every row of the exports with the suffix of its file, in the order of loading."""
        found: dict[str, list[tuple[str, dict[str, str]]]] = {}
        for table in KEYS:
            found[table] = []
            for suffix in (".csv", ".csv.gz"):
                path = self.folder / "exports" / f"{table}{suffix}"
                if path.exists():
                    reader = csv.DictReader(io.StringIO(content_of(path).decode()))
                    found[table] += [(suffix, row) for row in reader]
        return found

    @cached_property
    def exports(self) -> dict[str, list[dict[str, str]]]:
        """The rows that count in the end (design §4.2): the newer wins; of equals or undated ones the later."""
        found = {}
        for table in KEYS:
            current: dict[tuple[str, ...], dict[str, str]] = {}
            for _, row in self.rows[table]:
                key = self.key(table, row)
                known, new = current.get(key, {}).get("modified_at", ""), row.get("modified_at", "")
                if not known or not new or new >= known:
                    current[key] = row
            found[table] = list(current.values())
        return found

    def key(self, table: str, row: dict[str, str]) -> tuple[str, ...]:
        """What tells a row of a table apart."""
        return tuple(row[column] for column in KEYS[table])

    @cached_property
    def delivery_of_message(self) -> dict[int, int]:
        return {int(row["message_id"]): int(row["delivery_id"]) for row in self.exports["messages"]}

    @cached_property
    def url_rows(self) -> dict[int, dict[str, str]]:
        return {int(row["url_id"]): row for row in self.exports["tracked_urls"]}

    def kind(self, found: Event) -> str:
        """What an event is (design §4.3)."""
        if found.url_id == 1:
            return "open"
        row = self.url_rows.get(found.url_id)
        return KINDS.get(row["type"], "unknown") if row and int(row["delivery_id"]) == found.delivery_id else "unknown"

    def body(self, delivery_id: str, part: str) -> str | None:
        path = self.folder / "contents" / f"{delivery_id}.{part}"
        return path.read_text() if path.exists() else None


def content_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.fixture(scope="session", autouse=True)
def small_chunks() -> Iterator[None]:
    """Several chunks, so that what crosses their borders is looked at, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reactions, "_CHUNK_LINES", 5_000)
        patch.setattr(generating, "_BLOCK_LINES", 700)
        yield


@pytest.fixture(scope="session")
def options() -> SampleOptions:
    return OPTIONS


@pytest.fixture(scope="session")
def sample(small_chunks: None, options: SampleOptions, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("sample") / "campaign"
    generate_sample(options, folder)
    return Sample(folder)


@pytest.fixture(scope="session")
def read_sample() -> type[Sample]:
    """Read another sample."""
    return Sample
