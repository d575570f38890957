"""The tracking-log line: its published grammar (spec §2.2) and the strict layer above it (design §6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from message_tracking.parsing.text_views import Offsets, TextBuffer

_PRINTABLE = r"[^\x00-\x1F\x7F-\x9F]*"
_ADDRESS = r"[0-9A-Fa-f.:]*"
GRAMMAR = (
    r"^[0-9A-Za-z]{2}x[0-9A-Za-z]*\t[0-9T:.\-]*\t[0-9A-Fa-f]*\t[0-9A-Fa-f]*\t[0-9A-Fa-f]*\t[0-9A-Za-z]*\t[0-9A-Za-z\-]*"
    rf"\t{_PRINTABLE}\t{_PRINTABLE}\t{_PRINTABLE}\t(?:{_ADDRESS}|{_ADDRESS}\t{_PRINTABLE}|{_ADDRESS},{_PRINTABLE})$"
)
"""The portable regex of spec §2.2; it means the same to Python and to polars."""

REJECT_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "empty_line": "nothing between two line feeds",
        "field_count": "neither 11 nor 12 fields: one is missing, a raw tab is in one, or two records are on one line",
        "log_id_characters": "field 1 is not two letters or digits, an x, then letters and digits",
        "date_characters": "field 2 has a character that no date has here: a space, a zone letter, a plus sign",
        "message_id_uuid": "field 3 is a UUID, as Campaign v8 writes it; the v7 format has hex digits there",
        "message_id_characters": "field 3 has a character that is no hex digit",
        "delivery_id_characters": "field 4 has a character that is no hex digit",
        "url_id_characters": "field 5 has a character that is no hex digit",
        "field_6_characters": "field 6 has a character that is neither letter nor digit",
        "requester_uuid_characters": "field 7 has a character that is neither letter, digit nor hyphen",
        "requester_type_characters": "field 8 has a control character",
        "parameters_characters": "field 9 has a control character",
        "user_agent_characters": "field 10 has a control character",
        "client_ip_characters": "field 11 has a character that no address has, or a list in a line of 12 fields",
        "field_12_characters": "field 12 has a control character",
        "log_id_form": "field 1 is not one letter or digit, 0x and 16 hex digits",
        "log_id_range": "the counter in field 1 is above 2^63-1",
        "date_form": "field 2 is not YYYY-MM-DDThh:mm:ss with an optional decimal fraction",
        "date_calendar": "field 2 is a day or a time that does not exist",
        "date_range": "field 2 is before 2000-01-01 or more than a day after the load",
        "message_id_length": "field 3 is not 1 to 8 hex digits long",
        "delivery_id_length": "field 4 is not 1 to 8 hex digits long",
        "url_id_length": "field 5 is not 1 to 8 hex digits long",
        "requester_uuid_length": "field 7 is longer than 48 characters",
        "requester_type_form": "field 8 is neither empty nor one ASCII letter",
        "client_ip_form": "field 11 does not begin with an IPv4 or IPv6 address",
    }
)
"""Why a line is rejected: code → what it means, in the order of checking, grammar first."""

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUP = r"[0-9A-Fa-f]{1,4}"


def _ipv6() -> str:
    """Write an IPv6 address: eight groups, or `::` for at least one of them; IPv4 may stand for the last two."""

    def groups(most: int) -> str:
        return rf"(?:{_GROUP}(?::{_GROUP}){{0,{most - 1}}})?" if most else ""

    def ending(most: int) -> str:
        return rf"(?:{groups(most)}|(?:{_GROUP}:){{0,{most - 2}}}{_IPV4})" if most >= 2 else groups(most)

    whole = rf"(?:{_GROUP}:){{6}}(?:{_GROUP}:{_GROUP}|{_IPV4})"
    shortened = [
        rf"{'' if left == 0 else f'{_GROUP}(?::{_GROUP}){{{left - 1}}}'}::{ending(7 - left)}" for left in range(8)
    ]
    return "|".join([whole, *shortened])


ADDRESS = rf"^(?:{_IPV4}|{_ipv6()})$"
"""What Python's `ipaddress` takes as an address, without zone (`%` is not in the field's grammar)."""

_UUID = r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_LOG_ID = r"^[0-9A-Za-z]0x[0-9A-Fa-f]{16}$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?$"
_ID = r"^[0-9A-Fa-f]{1,8}$"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LONGEST_AHEAD = timedelta(days=1)
"""How long after the load a line may say that it was written: clocks differ."""
_LINE_FEED, _CARRIAGE_RETURN, _TAB = 10, 13, 9
_FIELDS = 12

ACCEPTED_SCHEMA = pl.Schema(
    {
        "line": pl.UInt32(),
        "prefix": pl.String(),
        "counter": pl.Int64(),
        "occurred_at": pl.Datetime("us", "UTC"),
        "message_id": pl.Int64(),
        "delivery_id": pl.Int64(),
        "url_id": pl.Int64(),
        "field_6": pl.String(),
        "requester_uuid": pl.String(),
        "requester_type": pl.String(),
        "parameters": pl.String(),
        "user_agent": pl.String(),
        "client_ip": pl.String(),
        "field_12": pl.String(),
        "has_replaced_bytes": pl.Boolean(),
    }
)
REJECTED_SCHEMA = pl.Schema(
    {
        "line": pl.UInt32(),
        "byte_offset": pl.Int64(),
        "reason": pl.String(),
        "raw_line": pl.Binary(),
        "prefix": pl.String(),
        "counter": pl.Int64(),
    }
)


@dataclass(frozen=True)
class ParsedBlock:
    """The lines of one block. Every line is in exactly one of the two frames."""

    line_count: int
    accepted: pl.DataFrame
    """Columns of ACCEPTED_SCHEMA. `line` counts from 0 in the block; ids are signed 32-bit; `field_12` is null in
    a line of 11 fields."""
    rejected: pl.DataFrame
    """Columns of REJECTED_SCHEMA. `byte_offset` is where the line begins in the block; `raw_line` has no line feed;
    prefix and counter are null where the log id cannot be read."""


@dataclass(frozen=True)
class _Lines:
    """The lines of a block as places in its buffer, ends without line feed and carriage return."""

    buffer: TextBuffer
    starts: Offsets
    line_feeds: Offsets
    ends: Offsets
    separators: Offsets
    """Places of all tabs and line feeds."""
    first_separator: Offsets
    """Which of the separators is the first one of each line."""
    field_counts: Offsets

    @classmethod
    def of(cls, block: bytes) -> "_Lines":
        """Find the lines of a block that ends with a line feed."""
        buffer = TextBuffer(block)
        separators = np.flatnonzero((buffer.bytes == _TAB) | (buffer.bytes == _LINE_FEED))
        last_separator = np.flatnonzero(buffer.bytes[separators] == _LINE_FEED)
        line_feeds = separators[last_separator]
        starts = np.concatenate([[0], line_feeds[:-1] + 1])
        first_separator = np.concatenate([[0], last_separator[:-1] + 1])
        has_return = (line_feeds > starts) & (buffer.bytes[line_feeds - 1] == _CARRIAGE_RETURN)
        return cls(
            buffer,
            starts,
            line_feeds,
            line_feeds - has_return,
            separators,
            first_separator,
            last_separator - first_separator + 1,
        )

    def texts(self) -> pl.Series:
        """Each line as text."""
        return self.buffer.text(self.starts, self.ends)

    def raw(self) -> pl.Series:
        """Each line as bytes, as it stands between its line feeds."""
        return self.buffer.binary(self.starts, self.line_feeds)

    def fields(self, rows: NDArray[np.int64]) -> pl.DataFrame:
        """Columns f1 to f12 of some lines; a field the line does not have is empty."""
        columns = {}
        for place in range(_FIELDS):
            exists = self.field_counts[rows] > place
            separator = self.first_separator[rows] + np.where(exists, place, 0)
            ends = np.minimum(self.separators[separator], self.ends[rows])
            starts = self.starts[rows] if place == 0 else np.where(exists, self.separators[separator - 1] + 1, ends)
            columns[f"f{place + 1}"] = self.buffer.text(starts, ends)
        return pl.DataFrame(columns)


def parse_block(block: bytes, *, time_zone: str = "UTC", loaded_at: datetime | None = None) -> ParsedBlock:
    """Judge the lines of a block that begins at a line's beginning.

    A last line without a line feed is a line like the others. One carriage return before a line feed is not part of
    the line. Bytes that are not UTF-8 become U+FFFD and the line is flagged. `time_zone` is how the log's clock is
    read: an hour that comes twice is its first coming, a time that the clock skipped is moved forward by the gap.
    `loaded_at` (default: now) is what dates are held against.
    """
    if not block:
        return ParsedBlock(0, ACCEPTED_SCHEMA.to_frame(), REJECTED_SCHEMA.to_frame())
    if not block.endswith(b"\n"):
        block += b"\n"
    original = _Lines.of(block)
    lines, is_replaced = _decoded(block, original)
    matches_grammar = lines.texts().str.contains(GRAMMAR).to_numpy()
    well_formed = np.flatnonzero(matches_grammar)
    checked = _check_strictly(lines, well_formed, time_zone, loaded_at or datetime.now(UTC))
    malformed = np.flatnonzero(~matches_grammar)
    refused = checked.filter(pl.col("reason").is_not_null())
    rejected = pl.concat(
        [
            _grammar_reasons(lines, malformed),
            refused.select("line", "reason", log_id="f1") if refused.height else _NO_REASONS,
        ]
    ).sort("line")
    return ParsedBlock(len(lines.starts), _accepted(lines, checked, is_replaced), _rejected(original, rejected))


_NO_REASONS = pl.DataFrame(schema={"line": pl.UInt32, "reason": pl.String, "log_id": pl.String})


def _decoded(block: bytes, original: _Lines) -> tuple[_Lines, NDArray[np.bool_]]:
    """Return lines that are UTF-8, and which had bytes replaced. A line feed is never part of a bad sequence."""
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        lines = _Lines.of(block.decode("utf-8", errors="replace").encode())
        return lines, (lines.raw() != original.raw()).to_numpy()
    return original, np.zeros(len(original.starts), dtype=bool)


def _check_strictly(lines: _Lines, rows: NDArray[np.int64], time_zone: str, loaded_at: datetime) -> pl.DataFrame:
    """Columns line, f1 to f12, occurred_at and reason (null: accepted) of lines that have the grammar."""
    frame = lines.fields(rows).with_columns(line=pl.Series(rows.astype(np.uint32)))
    frame = frame.with_columns(occurred_at=_occurred_at(frame["f2"], time_zone))
    date, occurred_at = pl.col("f2"), pl.col("occurred_at")
    checks = {
        "log_id_form": pl.col("f1").str.contains(_LOG_ID),
        "log_id_range": pl.col("f1").str.contains("^..x[0-7]"),
        "date_form": date.str.contains(_DATE),
        "date_calendar": occurred_at.is_not_null(),
        "date_range": occurred_at.is_between(EARLIEST, loaded_at.astimezone(UTC) + LONGEST_AHEAD),
        "message_id_length": pl.col("f3").str.contains(_ID),
        "delivery_id_length": pl.col("f4").str.contains(_ID),
        "url_id_length": pl.col("f5").str.contains(_ID),
        "requester_uuid_length": pl.col("f7").str.len_bytes() <= 48,
        "requester_type_form": pl.col("f8").str.contains("^[A-Za-z]?$"),
        "client_ip_form": (pl.col("f11") == "") | pl.col("f11").str.replace(",.*$", "").str.contains(ADDRESS),
    }
    passes = frame.select(pl.all_horizontal([check.fill_null(value=False) for check in checks.values()])).to_series()
    if passes.all():
        return frame.with_columns(reason=pl.lit(None, pl.String))
    return frame.with_columns(reason=_first_failing(checks))


def _first_failing(checks: Mapping[str, pl.Expr]) -> pl.Expr:
    """Name the first check that does not hold, or null."""
    return pl.coalesce(
        [
            pl.when(~check.fill_null(value=False)).then(pl.lit(reason)).otherwise(pl.lit(None, pl.String))
            for reason, check in checks.items()
        ]
    )


def _occurred_at(dates: pl.Series, time_zone: str) -> pl.Series:
    """Turn field 2 into UTC, null where it is no time. The fraction is decimal (spec §8.29); six digits are kept."""
    seconds = pl.col("date").str.slice(0, 19)
    clock = pl.when(seconds.str.slice(17, 2) < "60").then(
        seconds.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    )
    fraction = pl.col("date").str.slice(20, 6)
    microseconds = fraction.str.pad_end(6, "0").str.to_integer(strict=False, dtype=pl.Int64).fill_null(0)
    local = clock + pl.duration(microseconds=microseconds)
    return dates.alias("date").to_frame().select(to_utc(local, time_zone)).to_series()


def to_utc(local: pl.Expr, time_zone: str) -> pl.Expr:
    """Read a clock's time in a time zone.

    A skipped time is read with the offset that held before the gap: 25 hours earlier is before any gap there is.
    """
    if time_zone == "UTC":
        return local.dt.replace_time_zone("UTC")
    before = pl.duration(hours=25)
    exact = local.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    moved = (local - before).dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    return pl.coalesce(exact.dt.convert_time_zone("UTC"), moved.dt.convert_time_zone("UTC") + before)


def _accepted(lines: _Lines, checked: pl.DataFrame, is_replaced: NDArray[np.bool_]) -> pl.DataFrame:
    """Give the accepted lines their types."""
    accepted = checked.filter(pl.col("reason").is_null())
    line = accepted["line"].to_numpy()
    return accepted.select(
        pl.col("line"),
        prefix=pl.col("f1").str.slice(0, 1),
        counter=_counter(pl.col("f1")),
        occurred_at=pl.col("occurred_at"),
        message_id=_signed_id(pl.col("f3")),
        delivery_id=_signed_id(pl.col("f4")),
        url_id=_signed_id(pl.col("f5")),
        field_6=pl.col("f6"),
        requester_uuid=pl.col("f7"),
        requester_type=pl.col("f8"),
        parameters=pl.col("f9"),
        user_agent=pl.col("f10"),
        client_ip=pl.col("f11"),
        field_12=pl.when(pl.Series(lines.field_counts[line] == _FIELDS)).then(pl.col("f12")),
        has_replaced_bytes=pl.Series(is_replaced[line]),
    )


def _counter(log_id: pl.Expr) -> pl.Expr:
    """The 16 hex digits of a log id of the strict form, null above 2^63-1."""
    return log_id.str.slice(3).str.to_integer(base=16, dtype=pl.UInt64, strict=False).cast(pl.Int64, strict=False)


def _signed_id(digits: pl.Expr) -> pl.Expr:
    """Read an unsigned hex id as the signed 32-bit number it was (spec §2.2)."""
    number = digits.str.to_integer(base=16, dtype=pl.Int64, strict=False)
    return pl.when(number >= 1 << 31).then(number - (1 << 32)).otherwise(number)


def _grammar_reasons(lines: _Lines, rows: NDArray[np.int64]) -> pl.DataFrame:
    """Columns line, reason and log_id (what stands before the first tab) of lines that do not have the grammar."""
    if not len(rows):
        return _NO_REASONS
    frame = lines.fields(rows).with_columns(
        line=pl.Series(rows.astype(np.uint32)), field_count=pl.Series(lines.field_counts[rows])
    )
    hexadecimal = "^[0-9A-Fa-f]*$"
    one_field = (pl.col("field_count") == 1) & (pl.col("f1") == "")
    client_ip = f"^{_ADDRESS}(?:,{_PRINTABLE})?$"
    checks = {
        "empty_line": ~one_field,
        "field_count": pl.col("field_count").is_in([_FIELDS - 1, _FIELDS]),
        "log_id_characters": pl.col("f1").str.contains("^[0-9A-Za-z]{2}x[0-9A-Za-z]*$"),
        "date_characters": pl.col("f2").str.contains(r"^[0-9T:.\-]*$"),
        "message_id_uuid": ~pl.col("f3").str.contains(_UUID),
        "message_id_characters": pl.col("f3").str.contains(hexadecimal),
        "delivery_id_characters": pl.col("f4").str.contains(hexadecimal),
        "url_id_characters": pl.col("f5").str.contains(hexadecimal),
        "field_6_characters": pl.col("f6").str.contains("^[0-9A-Za-z]*$"),
        "requester_uuid_characters": pl.col("f7").str.contains(r"^[0-9A-Za-z\-]*$"),
        "requester_type_characters": pl.col("f8").str.contains(f"^{_PRINTABLE}$"),
        "parameters_characters": pl.col("f9").str.contains(f"^{_PRINTABLE}$"),
        "user_agent_characters": pl.col("f10").str.contains(f"^{_PRINTABLE}$"),
        "client_ip_characters": pl.when(pl.col("field_count") == _FIELDS)
        .then(pl.col("f11").str.contains(f"^{_ADDRESS}$"))
        .otherwise(pl.col("f11").str.contains(client_ip)),
        "field_12_characters": pl.col("f12").str.contains(f"^{_PRINTABLE}$"),
    }
    return frame.select("line", reason=_first_failing(checks), log_id="f1")


def _rejected(original: _Lines, rejected: pl.DataFrame) -> pl.DataFrame:
    """Add the raw bytes, their place and the log id where it can be read."""
    rows = rejected["line"].to_numpy()
    log_id = pl.col("log_id")
    is_readable = log_id.str.contains(_LOG_ID) & log_id.str.contains("^..x[0-7]")
    return rejected.select(
        pl.col("line"),
        byte_offset=pl.Series(original.starts[rows]),
        reason=pl.col("reason"),
        raw_line=original.buffer.binary(original.starts[rows], original.line_feeds[rows]),
        prefix=pl.when(is_readable).then(log_id.str.slice(0, 1)),
        counter=pl.when(is_readable).then(_counter(log_id)),
    )
