"""The published relations as an independent reading of the spec and the design computes them from the source files."""

import calendar
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
from tests.oracle.bodies import read_bodies
from tests.oracle.exports import read_reference_data
from tests.oracle.judging import judgements
from tests.oracle.logs import read_events
from tests.oracle.mistakes import rules_with
from tests.oracle.reactions import reactions
from tests.oracle.relations import counting, linking, observed_events
from tests.oracle.rules import Rules
from tests.oracle.sources import SourceFolder, instant

__all__ = ["SourceFolder", "expected_relations"]

_MONTHS_OF_PLATFORM = 6
_DOMAINS = Path(__file__).parents[2] / "dbt_project" / "seeds" / "domains.csv"
"""Which domains there are is a setting, not a formula."""


def expected_relations(
    sources: Sequence[SourceFolder], *, person_key: bytes, time_zone: str = "UTC", mistakes: Collection[str] = ()
) -> duckdb.DuckDBPyConnection:
    """Return an in-memory database with one table per relation of `comparing.RELATIONS`.

    `time_zone` is the reporting time zone. Instants are `timestamp` in UTC, rates and shares `double`,
    `person_id` and `transaction_amount` text. `mistakes` are names of `mistakes.MISTAKES`. Raise ValueError for an
    unknown mistake and for an export that misses a column.
    """
    rules = rules_with(mistakes)
    zone = ZoneInfo(time_zone)
    tables = read_reference_data(sources, rules)
    tables["deliveries"] = _with_window(tables["deliveries"], zone if rules.window_is_local else ZoneInfo("UTC"), rules)
    tables["events"] = reactions(read_events(sources, rules), person_key, zone, rules)
    tables["domains"] = pl.read_csv(_DOMAINS)
    tables["bodies"], tables["body_links"] = read_bodies(sources, rules)

    database = duckdb.connect(config={"threads": 1})
    database.execute("set enable_progress_bar = false")
    database.create_function("exact_sum", _exact_sum, ["varchar[]"], "varchar")  # type: ignore[list-item,arg-type]
    database.execute("create schema inputs")
    for name, frame in tables.items():
        _store(database, name, frame)
    _execute(database, linking(rules))
    _store(database, "judgements", judgements(observed_events(database, rules), rules))
    _execute(database, counting(rules))
    return database


def _store(database: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    database.register("frame", frame)
    database.execute(f'create table inputs."{name}" as from frame')
    database.unregister("frame")


def _execute(database: duckdb.DuckDBPyConnection, statements: Iterable[str]) -> None:
    for statement in statements:
        database.execute(statement)


def _with_window(deliveries: pl.DataFrame, zone: ZoneInfo, rules: Rules) -> pl.DataFrame:
    starts = [contact_at and _window_start(contact_at, zone, rules) for contact_at in deliveries["contact_at"]]
    return deliveries.with_columns(pl.Series("window_start_at", starts, dtype=pl.Datetime("us")))


def _window_start(contact_at: datetime, zone: ZoneInfo, rules: Rules) -> datetime:
    """Six calendar months before, on the zone's wall clock, at the latest on the month's last day."""
    local = contact_at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    if rules.window_days:
        return instant(local - timedelta(days=rules.window_days), zone)
    year, month = divmod(local.year * 12 + local.month - 1 - _MONTHS_OF_PLATFORM, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    excess = max(local.day - last_day, 0)
    start = local.replace(year=year, month=month + 1, day=local.day - excess)
    return instant(start if rules.window_is_clipped else start + timedelta(days=excess), zone)


def _exact_sum(amounts: list[str]) -> str:
    with localcontext(prec=1000):
        return format(sum(map(Decimal, amounts)), "f")
