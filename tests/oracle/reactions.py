"""What one event says by itself: person, browser, parameters."""

import hashlib
import re
import uuid
from datetime import UTC, date, datetime, timedelta
from functools import cache
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

import polars as pl
import ua_parser
from tests.oracle.families import families
from tests.oracle.logs import Event
from tests.oracle.rules import Rules
from tests.oracle.sources import instant

_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]+)?")
_ARTICLE = re.compile(r"[0-9]{1,9}")

SCHEMA: dict[str, pl.DataType] = {
    "place": pl.Int64(),
    "event_id": pl.String(),
    "occurred_at": pl.Datetime("us"),
    "occurred_date": pl.Date(),
    "half_hour_at": pl.Datetime("us"),
    "delivery_id": pl.Int64(),
    "message_id": pl.Int64(),
    "url_id": pl.Int64(),
    "person_id": pl.String(),
    "browser": pl.String(),
    "operating_system": pl.String(),
    "device": pl.String(),
    "report_browser": pl.String(),
    "report_browser_version": pl.String(),
    "report_operating_system": pl.String(),
    "report_operating_system_version": pl.String(),
    "report_device": pl.String(),
    "is_mobile": pl.Boolean(),
    "amount": pl.String(),
    "article": pl.Int64(),
    "user_agent": pl.String(),
    "client_ip": pl.String(),
}


def reactions(events: list[Event], person_key: bytes, zone: ZoneInfo, rules: Rules) -> pl.DataFrame:
    """Return one row per event with the columns of `SCHEMA`; instants are naive UTC, days those of the zone.

    `place` is the event's in the order in which events are judged: time, source, prefix, counter.
    """
    ordered = sorted(events, key=lambda event: (event.occurred_at, event.source, event.prefix, event.counter))
    day_zone = zone if rules.day_is_local else ZoneInfo("UTC")
    rows = (
        (
            place,
            f"{event.source}:{event.log_id}",
            event.occurred_at,
            _day(event.occurred_at, day_zone),
            _half_hour(event.occurred_at, zone, rules),
            event.delivery_id,
            event.message_id,
            event.url_id,
            _person(event.requester, person_key, rules),
            *_browser(event.user_agent),
            *families(event.user_agent, rules),
            *_bought(event.parameters, rules),
            event.user_agent,
            event.client_ip,
        )
        for place, event in enumerate(ordered)
    )
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


def _day(occurred_at: datetime, zone: ZoneInfo) -> date:
    return occurred_at.replace(tzinfo=UTC).astimezone(zone).date()


def _half_hour(occurred_at: datetime, zone: ZoneInfo, rules: Rules) -> datetime:
    """Return when the half hour began that the zone's clock shows: at a full or a half hour of that clock."""
    shown = occurred_at.replace(tzinfo=UTC).astimezone(zone)
    minutes = rules.half_hour_minutes
    passed = timedelta(minutes=shown.minute % minutes, seconds=shown.second, microseconds=shown.microsecond)
    if rules.repeated_hour_stays_two:
        return occurred_at - passed
    return instant(shown.replace(tzinfo=None) - passed, zone)


def _person(requester: str, key: bytes, rules: Rules) -> str | None:
    if not requester and rules.empty_requester_is_nobody:
        return None
    text = requester.lower() if rules.person_case_is_folded else requester
    return str(uuid.UUID(bytes=hashlib.sha256(key + text.encode()).digest()[:16]))


@cache
def _browser(user_agent: str) -> tuple[str, str, str]:
    parsed = ua_parser.parse(user_agent)
    browser, system, device = (part.family if part else "" for part in (parsed.user_agent, parsed.os, parsed.device))
    return browser, system, device


@cache
def _bought(parameters: str, rules: Rules) -> tuple[str, int]:
    """Return amount and article count, 0 where there is none that can be read."""
    amount, article = (_parameter(parameters, name, rules) for name in ("amount", "article"))
    return (
        amount if _AMOUNT.fullmatch(amount) else "0",
        int(article) if _ARTICLE.fullmatch(article) else 0,
    )


def _parameter(parameters: str, name: str, rules: Rules) -> str:
    pairs = (parameter.partition("=")[::2] for parameter in parameters.split("&"))
    if rules.parameters_are_url_decoded:
        pairs = ((unquote_plus(key), unquote_plus(value)) for key, value in pairs)
    values = [value for key, value in pairs if key == name]
    return values[0 if rules.first_parameter_holds else -1] if values else ""
