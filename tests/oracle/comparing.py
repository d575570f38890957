"""Compare published relations with the expected ones, every column of every row."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

import duckdb
import polars as pl
import psycopg2
from psycopg2 import sql

RATE_TOLERANCE = 1e-12
HUMAN = "human_"


class Relation(NamedTuple):
    """The columns that name a row of a relation, and all that are compared."""

    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def counted_twice(self) -> list[str]:
        """The columns that also count people alone, as `human_…`."""
        return [column for column in self.columns if f"{HUMAN}{column}" in self.columns]


def _relation(key: str, described: str = "", counted: str = "") -> Relation:
    """Take the columns of the key, those with one form and those that are also compared as `human_…`."""
    human = [f"{HUMAN}{column}" for column in counted.split()]
    return Relation(tuple(key.split()), tuple(key.split() + described.split() + counted.split() + human))


RELATIONS: dict[str, Relation] = {
    "deliveries": _relation(
        "delivery_id",
        "label internal_name channel state is_proof is_model typology_id campaign_id contact_at validity_at sent_at"
        " target_count to_deliver_count processed_count success_count error_count last_event_at",
    ),
    "tracking_events": _relation(
        "event_id",
        "occurred_at delivery_id message_id recipient_id url_id url_type url_label url_category event_type person_id"
        " browser operating_system device seconds_since_sent actor_class actor_reason is_automatic",
        "is_counted",
    ),
    "message_engagement": _relation(
        "delivery_id message_id",
        "recipient_id status failure_reason is_seed domain",
        "event_count first_opened_at last_opened_at open_count first_clicked_at last_clicked_at click_count has_opened"
        " has_clicked has_opted_out",
    ),
    "tracking_buckets": _relation("delivery_id url_id bucket_at", counted="event_count"),
    "delivery_indicators": _relation(
        "delivery_id",
        "complaint_count",
        "recipient_open_count total_open_count estimated_recipient_open_count estimated_total_open_count"
        " recipient_click_count person_click_count total_click_count opt_out_click_count mirror_page_click_count"
        " forward_count visited_page_count transaction_count transaction_amount article_count"
        " raw_reactivity_rate reactivity_rate distinct_click_rate cumulated_click_rate platform_reactivity_rate"
        " platform_distinct_click_rate platform_cumulated_click_rate",
    ),
    "url_clicks": _relation("delivery_id url_id", "label category source_url", "click_count click_share rank"),
    "url_label_clicks": _relation("delivery_id label", counted="click_count click_share rank"),
    "url_category_clicks": _relation("delivery_id category", counted="click_count click_share rank"),
    "url_clicks_by_day": _relation("delivery_id url_id click_date", counted="click_count"),
    "tracking_statistics": _relation("delivery_id series percent", counted="seconds_to_percent"),
    "hot_clicks": _relation("delivery_id url_id", "occurrence content_part is_drawn", "click_count click_share"),
    "user_activity": _relation("delivery_id series half_hour_at", counted="event_count"),
    "sharing_activity": _relation("delivery_id network", counted="share_count share_breakdown_rate sharing_rate"),
    "open_breakdown": _relation("delivery_id operating_system device browser", "is_mobile", "open_count"),
    "browser_statistics": _relation(
        "activity_date name version",
        counted="visitor_count page_count day_visitor_count usage_rate global_rate relative_rate",
    ),
    "operating_system_statistics": _relation(
        "activity_date name version",
        counted="visitor_count page_count day_visitor_count usage_rate global_rate relative_rate",
    ),
    "delivery_summary": _relation(
        "delivery_id",
        "target_count rejected_count rejected_rate to_deliver_count success_count success_rate error_count error_rate"
        " new_quarantine_count new_quarantine_rate",
    ),
    "delivery_exclusions": _relation("delivery_id reason", "exclusion_count exclusion_share"),
    "domain_indicators": _relation(
        "delivery_id domain",
        "processed_count success_count error_count hard_bounce_count soft_bounce_count complaint_count delivered_rate"
        " hard_bounce_rate soft_bounce_rate complaint_rate",
        "recipient_open_count recipient_click_count person_click_count opt_out_click_count open_rate click_rate"
        " person_click_rate opt_out_rate raw_reactivity_rate",
    ),
    "bounces": _relation(
        "delivery_id domain failure_reason",
        "failure_label error_count domain_processed_count contribution_rate breakdown_rate",
    ),
    "recipients": _relation("recipient_id", "first_name last_name email email_format"),
}
PRIVATE_RELATIONS = {"recipients"}


def differences(
    expected: duckdb.DuckDBPyConnection,
    url: str,
    schema: str = "marts",
    relations: Collection[str] | None = None,
    limit: int = 5,
) -> list[str]:
    """Return what a Postgres schema's relations hold otherwise than expected, one line each; [] where all is equal.

    Without `relations` all are compared that are not private. Rates and shares may differ by `RATE_TOLERANCE` of the
    larger one, all else must be equal. Per relation and kind of difference at most `limit` lines, then one with the
    total. All is read in one transaction, so from one publication. Raise psycopg2.Error where a relation or a column
    is missing.
    """
    names = [name for name in RELATIONS if name not in PRIVATE_RELATIONS] if relations is None else relations
    with closing(psycopg2.connect(url)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        found = {name: _published(connection, schema, name) for name in names}
    return [
        line
        for name in names
        for line in frame_differences(name, expected_frame(expected, name), found[name], limit=limit)
    ]


def expected_frame(expected: duckdb.DuckDBPyConnection, relation: str) -> pl.DataFrame:
    """Return the expected relation as text: instants ISO 8601 in UTC with six digits; rates as floats."""
    columns = RELATIONS[relation].columns
    select = ", ".join(
        f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%fZ')" if _is_instant(column) else column for column in columns
    )
    rows = expected.execute(f"select {select} from {relation}").pl()
    return _comparable(rows.rename(dict(zip(rows.columns, columns, strict=True))))


def frame_differences(relation: str, expected: pl.DataFrame, found: pl.DataFrame, *, limit: int = 5) -> list[str]:
    """Return the differences of what is found from the expected columns, in frames as `expected_frame` makes them."""
    key = list(RELATIONS[relation].key)
    values = [column for column in expected.columns if column not in key]
    lines = []
    for side, frame in (("expected", expected), ("found", found)):
        repeated = frame.group_by(key).len().filter(pl.col("len") > 1).sort(key)
        lines += _told(repeated, relation, key, f"a key {side} {{len}} times", limit)
    lines += _told(_missing(expected, found, key), relation, key, "a row expected is not found", limit)
    lines += _told(_missing(found, expected, key), relation, key, "a row found is not expected", limit)
    both = expected.join(found, on=key, suffix=" found", nulls_equal=True)
    for column in values:
        changed = both.filter(~_equal(column)).select(
            *key, pl.col(column).alias("expected"), pl.col(f"{column} found").alias("found")
        )
        lines += _told(changed.sort(key), relation, key, f"{column}: expected {{expected!r}}, found {{found!r}}", limit)
    return lines


def _published(connection: psycopg2.extensions.connection, schema: str, relation: str) -> pl.DataFrame:
    columns = [_published_column(column) for column in RELATIONS[relation].columns]
    statement = sql.SQL("select {} from {}").format(sql.SQL(", ").join(columns), sql.Identifier(schema, relation))
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchall()
    types = {column: pl.Float64() if _is_rate(column) else pl.String() for column in RELATIONS[relation].columns}
    return _comparable(pl.DataFrame(rows, schema=types, orient="row"))


def _published_column(column: str) -> sql.Composable:
    if _is_rate(column):
        shape = "{}::float8"
    elif _is_instant(column):
        shape = """to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    else:
        shape = "{}::text"
    return sql.SQL(shape).format(sql.Identifier(column))


def _comparable(frame: pl.DataFrame) -> pl.DataFrame:
    """Rates become floats, all else text; decimals lose the zeros that end them."""
    return frame.with_columns(
        pl.col(column).cast(pl.Float64) if _is_rate(column) else _text(column) for column in frame.columns
    )


def _text(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String)
    return text.str.replace(r"(\.[0-9]*?)0+$", "$1").str.strip_suffix(".") if _is_decimal(column) else text


def _is_rate(column: str) -> bool:
    return column.endswith(("_rate", "_share"))


def _is_decimal(column: str) -> bool:
    return column.removeprefix(HUMAN).startswith(("seconds_", "estimated_")) or column.endswith("_amount")


def _is_instant(column: str) -> bool:
    return column.endswith("_at")


def _equal(column: str) -> pl.Expr:
    expected, found = pl.col(column), pl.col(f"{column} found")
    if not _is_rate(column):
        return expected.eq_missing(found)
    # No infinity or NaN is near anything.
    distance, size = (expected - found).abs(), pl.max_horizontal(expected.abs(), found.abs())
    is_near = distance.is_finite() & (distance <= RATE_TOLERANCE * size)
    return pl.when(expected.is_null() | found.is_null()).then(expected.is_null() & found.is_null()).otherwise(is_near)


def _missing(rows: pl.DataFrame, others: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    return rows.join(others, on=key, how="anti", nulls_equal=True).sort(key)


def _told(rows: pl.DataFrame, relation: str, key: Iterable[str], message: str, limit: int) -> list[str]:
    """Return one line per row up to the limit, then the total where there are more."""
    lines = [_line(row, relation, key, message) for row in rows.head(limit).iter_rows(named=True)]
    if rows.height > limit:
        lines.append(f"{relation}: {message.partition(':')[0].format(len='several')}: {rows.height} in all")
    return lines


def _line(row: Mapping[str, object], relation: str, key: Iterable[str], message: str) -> str:
    name = ", ".join(f"{column} {row[column]}" for column in key)
    return f"{relation} ({name}): {message.format(**row)}"
