"""Tracking-log files as events: spec §2.2's grammar, design §6's strict layer, every log id once."""

import gzip
import ipaddress
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.oracle.rules import Rules
from tests.oracle.sources import SourceFolder, instant

_PRINTABLE = r"[^\x00-\x1F\x7F-\x9F]*"
_GRAMMAR = re.compile(
    r"([0-9A-Za-z]{2}x[0-9A-Za-z]*)\t([0-9T:.\-]*)\t([0-9A-Fa-f]*)\t([0-9A-Fa-f]*)\t([0-9A-Fa-f]*)\t[0-9A-Za-z]*"
    rf"\t([0-9A-Za-z\-]*)\t({_PRINTABLE})\t({_PRINTABLE})\t({_PRINTABLE})"
    rf"\t(?:([0-9A-Fa-f.:]*)(?:\t{_PRINTABLE})?|([0-9A-Fa-f.:]*),{_PRINTABLE})"
)
_LOG_ID = re.compile(r"([0-9A-Za-z])0x([0-9A-Fa-f]{16})")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?", re.ASCII)
_FILE_NAME = re.compile(r"0x[0-9A-Fa-f]{16}\.log(\.gz)?")
_EARLIEST = datetime(2000, 1, 1)  # noqa: DTZ001  instants are naive UTC here
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
    parsed = [_parse(line, source, rules, latest) for line in _lines(path, rules)]
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


def _parse(line: bytes, source: SourceFolder, rules: Rules, latest: datetime) -> Event | None:
    """Return the event of a line without its LF, None where the grammar or the strict layer refuses it."""
    if rules.carriage_return_is_stripped:
        line = line.removesuffix(b"\r")
    text = line.decode("utf-8", "replace")
    fields = _GRAMMAR.fullmatch(text)
    if not fields or ("\ufffd" in text and not rules.other_encodings_are_accepted):
        return None
    log_id, date, message, delivery, url, requester, letter, parameters, user_agent, address, first_address = (
        fields.groups()
    )
    identity = _LOG_ID.fullmatch(log_id)
    occurred_at = _occurred_at(date, source, rules)
    if (
        not identity
        or (counter := int(identity[2], 16)) >= 2**63
        or not occurred_at
        or not _EARLIEST <= occurred_at <= latest
        or not all(1 <= len(number) <= 8 for number in (message, delivery, url))
        or len(requester) > 48
        or (letter and not (len(letter) == 1 and letter.isascii() and letter.isalpha()))
        or (
            address != ""
            and rules.address_is_checked
            and not _is_address(first_address if address is None else address)
        )
    ):
        return None
    return Event(
        source.name,
        identity[1],
        counter,
        f"{identity[1]}0x{identity[2].upper() if rules.log_id_is_upper_case else identity[2]}",
        occurred_at,
        _id(message, rules),
        _id(delivery, rules),
        _id(url, rules),
        requester,
        parameters,
        user_agent,
    )


def _occurred_at(text: str, source: SourceFolder, rules: Rules) -> datetime | None:
    match = _DATE.fullmatch(text)
    if not match:
        return None
    *parts, fraction = match.groups(default="0")
    microsecond = int(fraction[:6].ljust(6, "0")) if rules.fraction_is_decimal else int(fraction[:3]) * 1000
    try:
        local = datetime(*map(int, parts), microsecond)  # type: ignore[arg-type] # noqa: DTZ001
        return instant(local, ZoneInfo(source.time_zone if rules.source_time_zone_holds else "UTC"))
    except (ValueError, OverflowError):
        return None


def _id(hexadecimal: str, rules: Rules) -> int:
    number = int(hexadecimal, 16)
    return number - 2**32 if number >= 2**31 and rules.ids_are_signed else number


@cache
def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
