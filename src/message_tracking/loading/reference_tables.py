"""The reference data files of design §4.2: their columns, and how a field is read."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

TEXT, BIGINT, INTEGER, BOOLEAN, TIME = "text", "bigint", "integer", "boolean", "timestamptz"
MODIFIED_AT = "modified_at"


@dataclass(frozen=True)
class ReferenceTable:
    """One kind of file, and the table `raw.<name>` that holds its rows."""

    name: str
    columns: dict[str, str]
    """Column → Postgres type, in the order of the table."""
    key: tuple[str, ...]
    """The columns that tell rows apart; none of them may be empty."""

    @property
    def is_dated(self) -> bool:
        """Whether rows say when they were modified."""
        return MODIFIED_AT in self.columns


def _table(name: str, key: str, **columns: str) -> ReferenceTable:
    """Columns by type: each argument is a type's names, given as `type_<n>` to keep the table's order."""
    types = {column: kind.split("_")[0] for kind, names in columns.items() for column in names.split()}
    return ReferenceTable(name, types, tuple(key.split()))


REFERENCE_TABLES = (
    _table(
        "deliveries",
        key="delivery_id",
        bigint="delivery_id",
        text="internal_name label delivery_code",
        integer="channel state",
        boolean="is_proof is_model",
        bigint_2="typology_id campaign_id target_count rejected_count to_deliver_count text_count new_quarantine_count",
        timestamptz="contact_at validity_at modified_at",
    ),
    _table(
        "messages",
        key="message_id",
        bigint="message_id delivery_id recipient_id",
        text="address_domain",
        integer="status failure_reason",
        boolean="is_seed",
        timestamptz="event_at modified_at",
    ),
    _table(
        "tracked_urls",
        key="url_id",
        bigint="url_id delivery_id",
        integer="type",
        text="label category source_url",
        integer_2="occurrence",
        text_2="content_part",
        bigint_2="offer_id",
    ),
    _table(
        "recipients",
        key="recipient_id",
        bigint="recipient_id",
        text="first_name last_name email",
        integer="email_format",
        timestamptz="modified_at",
    ),
    _table(
        "exclusions",
        key="delivery_id recipient_id",
        bigint="delivery_id recipient_id",
        text="reason",
        timestamptz="modified_at",
    ),
    _table(
        "consents",
        key="recipient_id purpose effective_at",
        bigint="recipient_id",
        text="purpose",
        boolean="is_allowed",
        timestamptz="effective_at",
    ),
    _table("erasures", key="recipient_id", bigint="recipient_id", timestamptz="requested_at"),
)


def reference_table(name: str) -> ReferenceTable:
    """Return the kind of that name. Raises ValueError where there is none."""
    for table in REFERENCE_TABLES:
        if table.name == name:
            return table
    raise ValueError(
        f"there is no reference data {name!r}: it is {', '.join(table.name for table in REFERENCE_TABLES)}"
    )


_TIME = (
    r"^(?<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?<hour>[0-9]{2}):(?<minute>[0-9]{2})(?::(?<second>[0-5][0-9])(?:[.,](?<fraction>[0-9]{1,9}))?)?"
    r"(?:[Zz]|(?<sign>[+-])(?<offset_hours>[0-9]{2})(?::?(?<offset_minutes>[0-5][0-9]))?)?)?$"
)
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def typed(table: ReferenceTable, fields: pl.DataFrame) -> pl.DataFrame:
    """Read the fields of a table's columns; one more column, `reject_reason`, says why a row cannot be read.

    Fields are text, or integers or booleans, which are read as their text would be. Empty or null fields are null but
    for text, which is ''. The reason is null where all is well; otherwise a code with the name of the first column
    that is wrong, such as `status_not_a_number`.
    """
    read = fields.select(_read(kind, fields[column]).alias(column) for column, kind in table.columns.items())
    faults = [_fault(table, column, kind, fields[column], read[column]) for column, kind in table.columns.items()]
    return read.with_columns(reject_reason=pl.coalesce(faults))


def _read(kind: str, field: pl.Series) -> pl.Expr:
    value = pl.col(field.name)
    if field.dtype.is_integer() and kind in _INTEGERS:
        return value.cast(_INTEGERS[kind], strict=False)
    return _READERS[kind](value.cast(pl.String).fill_null(""))


def _fault(table: ReferenceTable, column: str, kind: str, field: pl.Series, value: pl.Series) -> pl.Expr:
    is_empty = field == "" if field.dtype == pl.String else field.is_null()
    is_empty = is_empty.fill_null(value=True)
    if kind == TEXT:
        # Postgres text cannot hold it.
        fault = pl.when(pl.lit(value.str.contains("\x00", literal=True))).then(pl.lit(f"{column}_holds_nul"))
    else:
        wrong = pl.lit(f"{column}_not_a_{_WORDS[kind]}")
        fault = pl.when(pl.lit(value.is_null() & ~is_empty)).then(wrong)
    return fault.when(pl.lit(is_empty)).then(pl.lit(f"{column}_missing")) if column in table.key else fault


_WORDS = {BIGINT: "number", INTEGER: "number", BOOLEAN: "boolean", TIME: "time"}
_INTEGERS: dict[str, type[pl.DataType]] = {BIGINT: pl.Int64, INTEGER: pl.Int32}


def _integer(dtype: type[pl.DataType]) -> Callable[[pl.Expr], pl.Expr]:
    """Decimal digits with an optional sign, within the type's range."""
    return lambda text: pl.when(text.str.contains("^[+-]?[0-9]+$")).then(
        text.str.strip_prefix("+").cast(pl.Int64, strict=False).cast(dtype, strict=False)
    )


def _boolean(text: pl.Expr) -> pl.Expr:
    return text.str.to_lowercase().replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)


def instant(text: pl.Expr) -> pl.Expr:
    """ISO 8601 with `Z`, an offset or none, which is UTC, in the years 1 to 9999; microseconds, the rest is cut."""
    part = text.str.extract_groups(_TIME).struct.field

    def number(name: str) -> pl.Expr:
        return part(name).cast(pl.Int64).fill_null(0)

    local = pl.format(
        "{}T{}:{}:{}.{}",
        part("date"),
        part("hour").fill_null("00"),
        part("minute").fill_null("00"),
        part("second").fill_null("00"),
        part("fraction").fill_null("0").str.head(6),
    ).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    minutes = (number("offset_hours") * 60 + number("offset_minutes")) * pl.when(part("sign") == "-").then(
        -1
    ).otherwise(1)
    instant = local - pl.duration(minutes=minutes)
    is_in_calendar = (local.dt.year() >= 1) & instant.dt.year().is_between(1, 9999)
    return pl.when(number("offset_hours") <= 15, is_in_calendar).then(instant)


_READERS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    TEXT: lambda text: text,
    BIGINT: _integer(_INTEGERS[BIGINT]),
    INTEGER: _integer(_INTEGERS[INTEGER]),
    BOOLEAN: _boolean,
    TIME: instant,
}
