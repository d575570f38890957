"""Tracking-log files as events: spec §2.2's grammar, design §6's strict layer, every log id once."""

import gzip
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.oracle.lines import Rejected, judge
from tests.oracle.rules import Rules
from tests.oracle.sources import SourceFolder

_FILE_NAME = re.compile(r"0x[0-9A-Fa-f]{16}\.log(\.gz)?")
_LINES_BEFORE_LIMIT = 1000


class Event(NamedTuple):
    """One accepted line; ids are signed 32-bit, the instant is naive UTC."""

    source: str
    prefix: str
    counter: int
    log_id: str
    occurred_at: datetime
    message_id: int
    delivery_id: int
    url_id: int
    requester: str
    parameters: str
    user_agent: str
    client_ip: str


def read_events(sources: Sequence[SourceFolder], rules: Rules) -> list[Event]:
    """Return the accepted lines of all log files, each (source, prefix, counter) once: the first one read."""
    events = []
    seen = set()
    for source in sources:
        for path in sorted(source.path.glob("logs/*/*")):
            if not _FILE_NAME.fullmatch(path.name):
                continue
            for event in _events_of_file(path, source, rules):
                key = (
                    source.name if rules.log_id_names_its_source else "",
                    event.prefix if rules.prefix_is_case_sensitive else event.prefix.lower(),
                    event.counter,
                )
                if key not in seen or not rules.repeated_lines_count_once:
                    seen.add(key)
                    events.append(event)
    return events


def _events_of_file(path: Path, source: SourceFolder, rules: Rules) -> list[Event]:
    """Return the accepted lines, none at all where too many are rejected."""
    latest = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    parsed = [_event(line, source, rules, latest) for line in _lines(path, rules)]
    accepted = [event for event in parsed if event]
    rejected_count = len(parsed) - len(accepted)
    is_refused = len(parsed) >= _LINES_BEFORE_LIMIT and rejected_count > source.reject_limit * len(parsed)
    return [] if is_refused and rules.reject_limit_holds else accepted


def _lines(path: Path, rules: Rules) -> Iterator[bytes]:
    is_gzip = path.suffix == ".gz"
    *lines, rest = (gzip.decompress(path.read_bytes()) if is_gzip else path.read_bytes()).split(b"\n")
    yield from lines
    if rest and (rules.last_line_of_a_gzip_counts if is_gzip else not rules.unfinished_line_waits):
        yield rest


def _event(line: bytes, source: SourceFolder, rules: Rules, latest: datetime) -> Event | None:
    """Return the event of a line without its LF, None where the grammar or the strict layer refuses it."""
    zone = ZoneInfo(source.time_zone if rules.source_time_zone_holds else "UTC")
    read = judge(line, zone, latest, rules)
    if isinstance(read, Rejected) or (read.has_replaced_bytes and not rules.other_encodings_are_accepted):
        return None
    log_id = f"{read.prefix}0x{read.counter:016{'X' if rules.log_id_is_upper_case else 'x'}}"
    return Event(
        source.name,
        read.prefix,
        read.counter,
        log_id,
        read.occurred_at,
        read.message_id,
        read.delivery_id,
        read.url_id,
        read.requester_uuid,
        read.parameters,
        read.user_agent,
        read.client_ip,
    )
