"""Reference data from CSV and Parquet files, the newest row of each key (design §4.2)."""

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from tests.oracle.rules import Rules
from tests.oracle.sources import SourceFolder

_INTEGER = re.compile("[+-]?[0-9]+")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"(?:[Zz]|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)
_FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def _bigint(value: Any) -> int | None:
    return _integer(value, 64)


def _code(value: Any) -> int | None:
    return _integer(value, 32)


def _integer(value: Any, bits: int) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        raise ValueError("not_a_number")
    number = int(value)
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueError("not_a_number")
    return number


def _text(value: Any) -> str:
    if "\0" in (text := "" if value is None else str(value)):
        raise ValueError("holds_nul")
    return text


def _flag(value: Any) -> bool | None:
    if value is None or value == "":
        return None
    try:
        return _FLAGS[str(value).lower()]
    except KeyError:
        raise ValueError("not_a_boolean") from None


def _time(value: Any) -> datetime | None:
    """Return naive UTC; a time without an offset is UTC."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    local, offset = _clock(str(value))
    try:
        return local - offset
    except OverflowError:
        raise ValueError("not_a_time") from None


def _time_without_offset(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    return value.replace(tzinfo=None) if isinstance(value, datetime) else _clock(str(value))[0]


def _clock(text: str) -> tuple[datetime, timedelta]:
    """Return what the clock showed and how far it was from UTC."""
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError("not_a_time")
    *parts, fraction, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        local = datetime(*(int(part or 0) for part in parts), int((fraction or "")[:6].ljust(6, "0")))  # type: ignore[arg-type] # noqa: DTZ001
    except ValueError:
        raise ValueError("not_a_time") from None
    if offset >= timedelta(hours=16) or int(minutes or 0) > 59:
        raise ValueError("not_a_time")
    return local, -offset if sign == "-" else offset


Reader = Callable[[Any], Any]
"""Reads a field; raises ValueError that says what is wrong with it, as the end of a reason's code."""

TABLES: dict[str, dict[str, Reader]] = {
    "deliveries": {
        "delivery_id": _bigint,
        "internal_name": _text,
        "label": _text,
        "delivery_code": _text,
        "channel": _code,
        "state": _code,
        "is_proof": _flag,
        "is_model": _flag,
        "typology_id": _bigint,
        "campaign_id": _bigint,
        "target_count": _bigint,
        "rejected_count": _bigint,
        "to_deliver_count": _bigint,
        "text_count": _bigint,
        "new_quarantine_count": _bigint,
        "contact_at": _time,
        "validity_at": _time,
        "modified_at": _time,
    },
    "messages": {
        "message_id": _bigint,
        "delivery_id": _bigint,
        "recipient_id": _bigint,
        "address_domain": _text,
        "status": _code,
        "failure_reason": _code,
        "is_seed": _flag,
        "event_at": _time,
        "modified_at": _time,
    },
    "tracked_urls": {
        "url_id": _bigint,
        "delivery_id": _bigint,
        "type": _code,
        "label": _text,
        "category": _text,
        "source_url": _text,
        "occurrence": _code,
        "content_part": _text,
        "offer_id": _bigint,
    },
    "recipients": {
        "recipient_id": _bigint,
        "first_name": _text,
        "last_name": _text,
        "email": _text,
        "email_format": _code,
        "modified_at": _time,
    },
    "exclusions": {"delivery_id": _bigint, "recipient_id": _bigint, "reason": _text, "modified_at": _time},
    "consents": {"recipient_id": _bigint, "purpose": _text, "is_allowed": _flag, "effective_at": _time},
}
KEYS: dict[str, tuple[str, ...]] = {
    "deliveries": ("delivery_id",),
    "messages": ("message_id",),
    "tracked_urls": ("url_id",),
    "recipients": ("recipient_id",),
    "exclusions": ("delivery_id", "recipient_id"),
    "consents": ("recipient_id", "purpose", "effective_at"),
}
"""The columns that tell the rows of a table apart; none of them may be empty."""
_DATABASE_TYPES: dict[Reader, pl.DataType] = {
    _bigint: pl.Int64(),
    _code: pl.Int32(),
    _text: pl.String(),
    _flag: pl.Boolean(),
    _time: pl.Datetime("us"),
}


class ExportedRow(NamedTuple):
    """A row that can be read, in its table's order of columns."""

    key: tuple[Any, ...]
    modified_at: datetime | None
    values: tuple[Any, ...]


def read_reference_data(sources: Sequence[SourceFolder], rules: Rules) -> dict[str, pl.DataFrame]:
    """Return one frame per table of design §4.2 that the oracle needs; raise ValueError where a file misses a column."""
    return {table: _newest_rows(table, sources, rules) for table in TABLES}


def _newest_rows(table: str, sources: Sequence[SourceFolder], rules: Rules) -> pl.DataFrame:
    newest: dict[tuple[Any, ...], ExportedRow] = {}
    for source in sources:
        for suffix in (".csv", ".csv.gz", ".parquet"):
            path = source.path / "exports" / f"{table}{suffix}"
            for row in _rows(path, table, rules) if path.exists() else ():
                if row.key not in newest or _replaces(row, newest[row.key], rules):
                    newest[row.key] = row
    schema = {column: _DATABASE_TYPES[reader] for column, reader in TABLES[table].items()}
    return pl.DataFrame([row.values for row in newest.values()], schema=schema, orient="row")


def _replaces(row: ExportedRow, known: ExportedRow, rules: Rules) -> bool:
    if not rules.newer_row_replaces:
        return False
    if not rules.modified_at_decides or row.modified_at is None or known.modified_at is None:
        return True
    if row.modified_at == known.modified_at:
        return rules.equally_old_row_replaces
    return row.modified_at > known.modified_at


def _rows(path: Path, table: str, rules: Rules) -> Iterator[ExportedRow]:
    """Yield the rows whose key and types can be read."""
    columns = TABLES[table]
    header, records = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    if missing := sorted(columns.keys() - set(header)):
        raise ValueError(f"{path}: no column {', '.join(missing)}; found {', '.join(header)}.")
    places = [header.index(column) for column in columns]
    readers = [
        _time_without_offset if reader is _time and not rules.offset_of_times_holds else reader
        for reader in columns.values()
    ]
    key_columns = rules.exclusion_key if table == "exclusions" else KEYS[table]
    key_places = [list(columns).index(column) for column in key_columns]
    modified_place = list(columns).index("modified_at") if "modified_at" in columns else None
    for record in records:
        if len(record) != len(header):
            continue
        try:
            values = tuple(reader(record[place]) for reader, place in zip(readers, places, strict=True))
        except ValueError:
            continue
        key = tuple(values[place] for place in key_places)
        if None not in key and "" not in key:
            yield ExportedRow(key, None if modified_place is None else values[modified_place], values)


def _csv(path: Path) -> tuple[list[str], Iterator[Sequence[Any]]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return next(lines, []), lines


def _parquet(path: Path) -> tuple[list[str], Iterator[Sequence[Any]]]:
    frame = pl.read_parquet(path)
    return frame.columns, frame.iter_rows()
