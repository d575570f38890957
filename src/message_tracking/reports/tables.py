"""Tables as pages show them and files export them, and how their values are written."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

Row = dict[str, Any]

DASH = "\u2013"
"""Where there is no value."""


class Kind(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    COUNT = "count"
    AMOUNT = "amount"
    RATE = "rate"
    SHARE = "share"
    """A rate that is also drawn as a bar."""
    INSTANT = "instant"
    DURATION = "duration"
    CODE = "code"
    """An id or a name of ours, kept on one line."""
    LINK = "link"
    """A text that leads to the row's `href`, where it has one."""
    PRINTED = "printed"
    """A figure that is written already."""
    SWATCH = "swatch"
    """The place of a series among the colours of the chart beside the table."""

    @property
    def is_number(self) -> bool:
        """Whether values stand to the right."""
        return self in {Kind.COUNT, Kind.AMOUNT, Kind.RATE, Kind.SHARE, Kind.DURATION, Kind.PRINTED}


@dataclass(frozen=True)
class Column:
    """One column: the key of its values in each row, its heading, and what the values are."""

    key: str
    label: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True)
class Table:
    """A named table."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: Iterable[Row]
    totals: list[Row] = field(default_factory=list)
    """Rows such as Others and Total, which stand below."""


def as_csv(table: Table) -> Iterator[str]:
    """Write a table as CSV, a line at a time; instants as ISO 8601, rates as fractions."""
    columns = [column for column in table.columns if column.kind is not Kind.SWATCH]
    yield _csv_line([column.label for column in columns])
    for row in (*table.rows, *table.totals) if isinstance(table.rows, list) else table.rows:
        yield _csv_line([_csv_value(row.get(column.key)) for column in columns])


def _csv_line(values: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()


def _csv_value(value: Any) -> Any:
    """A value of a cell; spreadsheets take text that starts like a formula for one, so it gets a quote before it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def written(value: Any, kind: Kind = Kind.TEXT) -> str:
    """A value as readers see it (spec 8.42, 8.43)."""
    if value is None:
        return DASH
    return WRITTEN.get(kind, str)(value)


def rounded(value: Any, places: int) -> Decimal:
    """Round half away from zero."""
    return Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def percent(value: Any, places: int = 2) -> str:
    """A fraction in percent, neither clamped nor with a sign."""
    return f"{rounded(Decimal(value) * 100, places):,}"


def instant(value: datetime | date) -> str:
    """A date, or a date and time with the zone's name."""
    return f"{value:%Y-%m-%d %H:%M:%S %Z}" if isinstance(value, datetime) else f"{value:%Y-%m-%d}"


def duration(seconds: Any) -> str:
    """A duration to the minute, as `1h 10mn` (spec 4.4); a day and more as `2d 3h`."""
    minutes = int(rounded(Decimal(seconds) / 60, 0))
    sign, minutes = ("-", -minutes) if minutes < 0 else ("", minutes)
    span = timedelta(minutes=minutes)
    hours, rest = divmod(span.seconds // 60, 60)
    parts = [(span.days, "d"), (hours, "h"), (rest if not span.days else 0, "mn")]
    return sign + (" ".join(f"{count}{unit}" for count, unit in parts if count) or "0mn")


def ratio(part: Any, whole: Any) -> Decimal:
    """Part ÷ whole, 0 where the whole is 0 or not known (spec 4.14)."""
    return Decimal(part or 0) / Decimal(whole) if whole else Decimal(0)


WRITTEN: dict[Kind, Callable[[Any], str]] = {
    Kind.COUNT: lambda value: f"{value:,}",
    Kind.AMOUNT: lambda value: f"{rounded(value, 2):,}",
    Kind.RATE: lambda value: f"{percent(value)} %",
    Kind.SHARE: lambda value: f"{percent(value)} %",
    Kind.INSTANT: instant,
    Kind.DURATION: duration,
}
"""How the values of each kind are written, where it is not as they are."""
