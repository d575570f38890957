"""One line of a tracking log: spec §2.2's grammar and design §6's strict layer, with a reason for each refusal."""

import ipaddress
import re
from calendar import monthrange
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.oracle.rules import Rules

_PRINTABLE = r"[^\x00-\x1F\x7F-\x9F]*"
_HEXADECIMAL = "[0-9A-Fa-f]*"
_ADDRESS = "[0-9A-Fa-f.:]*"
_GRAMMAR = re.compile(
    rf"([0-9A-Za-z]{{2}}x[0-9A-Za-z]*)\t([0-9T:.\-]*)\t({_HEXADECIMAL})\t({_HEXADECIMAL})\t({_HEXADECIMAL})"
    rf"\t([0-9A-Za-z]*)\t([0-9A-Za-z\-]*)\t({_PRINTABLE})\t({_PRINTABLE})\t({_PRINTABLE})"
    rf"\t(?:({_ADDRESS})(?:\t({_PRINTABLE}))?|({_ADDRESS},{_PRINTABLE}))"
)
_FIELDS = [
    ("log_id", "[0-9A-Za-z]{2}x[0-9A-Za-z]*"),
    ("date", r"[0-9T:.\-]*"),
    ("message_id", _HEXADECIMAL),
    ("delivery_id", _HEXADECIMAL),
    ("url_id", _HEXADECIMAL),
    ("field_6", "[0-9A-Za-z]*"),
    ("requester_uuid", r"[0-9A-Za-z\-]*"),
    ("requester_type", _PRINTABLE),
    ("parameters", _PRINTABLE),
    ("user_agent", _PRINTABLE),
]
_UUID = re.compile("[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_LOG_ID = re.compile(r"([0-9A-Za-z])0x([0-9A-Fa-f]{16})")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?")
_EARLIEST = datetime(2000, 1, 1)  # noqa: DTZ001  instants are naive UTC here
_RIGHT = Rules()
_UTC = ZoneInfo("UTC")


class Accepted(NamedTuple):
    """What an accepted line says; ids are signed 32-bit, the instant is naive UTC, a line of 11 fields has no 12th."""

    prefix: str
    counter: int
    occurred_at: datetime
    message_id: int
    delivery_id: int
    url_id: int
    field_6: str
    requester_uuid: str
    requester_type: str
    parameters: str
    user_agent: str
    client_ip: str
    field_12: str | None
    has_replaced_bytes: bool


class Rejected(NamedTuple):
    """Why a line is rejected, and its log id where that can be read."""

    reason: str
    prefix: str | None
    counter: int | None


def judge(line: bytes, zone: ZoneInfo, latest: datetime, rules: Rules = _RIGHT) -> Accepted | Rejected:
    """Return the verdict on a line without its line feed; no event is later than `latest`, a naive UTC instant.

    The reason is the first that fails in the order of docs/sources.md.
    """
    if rules.carriage_return_is_stripped:
        line = line.removesuffix(b"\r")
    text = line.decode("utf-8", "replace")
    match = _GRAMMAR.fullmatch(text)
    if not match:
        return _rejected(_grammar_reason(text), text)
    log_id, date, message, delivery, url, field_6, requester, letter, parameters, user_agent, *rest = match.groups()
    address, field_12, addresses = rest
    client_ip = addresses if address is None else address
    occurred_at = _occurred_at(date, zone, latest, rules)
    reason = (
        _log_id_reason(log_id)
        or (occurred_at if isinstance(occurred_at, str) else None)
        or _id_reason(message, delivery, url)
        or _text_reason(requester, letter)
        or (rules.address_is_checked and client_ip and not _is_address(client_ip) and "client_ip_form")
    )
    if reason or isinstance(occurred_at, str):
        return _rejected(str(reason), text)
    return Accepted(
        log_id[0],
        int(log_id[3:], 16),
        occurred_at,
        _id(message, rules),
        _id(delivery, rules),
        _id(url, rules),
        field_6,
        requester,
        letter,
        parameters,
        user_agent,
        client_ip,
        field_12,
        text.encode() != line,
    )


def _rejected(reason: str, text: str) -> Rejected:
    log_id = text.split("\t", 1)[0]
    return Rejected(reason, None, None) if _log_id_reason(log_id) else Rejected(reason, log_id[0], int(log_id[3:], 16))


def _grammar_reason(text: str) -> str:
    """Name the first field of a line outside the grammar that its pattern does not match."""
    fields = text.split("\t")
    if not text:
        return "empty_line"
    if len(fields) not in (11, 12):
        return "field_count"
    address = _ADDRESS if len(fields) == 12 else f"{_ADDRESS}(,{_PRINTABLE})?"
    patterns = [*_FIELDS, ("client_ip", address), ("field_12", _PRINTABLE)]
    # A line of 11 fields has no pattern for a 12th to fail.
    name = next(name for (name, pattern), field in zip(patterns, fields, strict=False) if not _has(pattern, field))
    return "message_id_uuid" if name == "message_id" and _UUID.fullmatch(fields[2]) else f"{name}_characters"


def _has(pattern: str, field: str) -> bool:
    return re.fullmatch(pattern, field) is not None


def _log_id_reason(log_id: str) -> str | None:
    match = _LOG_ID.fullmatch(log_id)
    if not match:
        return "log_id_form"
    return "log_id_range" if int(match[2], 16) > 2**63 - 1 else None


def _occurred_at(text: str, zone: ZoneInfo, latest: datetime, rules: Rules) -> datetime | str:
    """Return the instant, or why there is none."""
    match = _DATE.fullmatch(text)
    if not match:
        return "date_form"
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1] and hour < 24 and minute < 60 and second < 60):
        return "date_calendar"
    # Years that datetime does not know, or not in every zone, are far outside.
    if not _EARLIEST.year - 1 <= year <= latest.year + 1:
        return "date_range"
    fraction = match[7] or "0"
    microsecond = int(fraction[:6].ljust(6, "0")) if rules.fraction_is_decimal else int(fraction[:3]) * 1000
    occurred_at = datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001
    if zone is not _UTC:
        # Of an hour that occurs twice the first; a skipped time with the offset before the gap.
        occurred_at = occurred_at.replace(tzinfo=zone, fold=0).astimezone(UTC).replace(tzinfo=None)
    return occurred_at if _EARLIEST <= occurred_at <= latest else "date_range"


def _id_reason(*fields: str) -> str | None:
    names = ("message_id", "delivery_id", "url_id")
    return next((f"{name}_length" for name, field in zip(names, fields, strict=True) if not 1 <= len(field) <= 8), None)


def _text_reason(requester: str, letter: str) -> str | None:
    if len(requester) > 48:
        return "requester_uuid_length"
    return (
        "requester_type_form" if letter and not (len(letter) == 1 and letter.isascii() and letter.isalpha()) else None
    )


def _id(hexadecimal: str, rules: Rules) -> int:
    number = int(hexadecimal, 16)
    return number - 2**32 if number >= 2**31 and rules.ids_are_signed else number


@lru_cache(10_000)
def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.split(",", 1)[0])
    except ValueError:
        return False
    return True
