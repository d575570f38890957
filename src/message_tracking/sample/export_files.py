"""The exports as files: what comes late, what is corrected, in which file (design §4.2)."""

import gzip
import io
from collections.abc import Callable

import polars as pl

from message_tracking.sample.campaign import Campaign
from message_tracking.sample.exports import (
    INSTANT,
    consent_rows,
    delivery_rows,
    exclusion_rows,
    message_rows,
    recipient_rows,
    tracked_url_rows,
)
from message_tracking.sample.messages import PENDING

_FORMS = {"newer": 3, "older": 1, "undated": 5, "same_time": 2, "twice": 4}
"""Ways in which a key comes again, and the first row that does so; a wrong version loses to the right one each time.

newer: the wrong one first, the right one with a later modified_at; older: the right one first, the wrong one with an
earlier modified_at; undated: the right one later, without modified_at; same_time: the right one later, with the same
modified_at; twice: both in one file. Undated tables know only that the one read later wins.
"""
_EVERY = 211
"""One row of this many has each form."""

_WRONG: dict[str, list[pl.Expr]] = {
    "deliveries": [pl.format("{} (draft)", "label").alias("label"), pl.lit(55).alias("state")],
    "messages": [pl.lit(PENDING).alias("status"), pl.col("delivery_id").reverse()],
    "tracked_urls": [pl.lit("Draft").alias("label"), pl.lit("draft").alias("category")],
    "recipients": [pl.format("old.{}", "email").alias("email")],
    "exclusions": [pl.lit("draft").alias("reason")],
    "consents": [~pl.col("is_allowed")],
}

_MODIFIED_AT = pl.col("modified_at")
_DAY_BEFORE = _MODIFIED_AT.str.to_datetime(INSTANT).dt.offset_by("-1d").dt.strftime(INSTANT)
_NO_DATE = pl.lit(None, pl.String).alias("modified_at")

_ROWS: dict[str, Callable[[Campaign], pl.DataFrame]] = {
    "deliveries": delivery_rows,
    "messages": message_rows,
    "tracked_urls": tracked_url_rows,
    "recipients": recipient_rows,
    "exclusions": exclusion_rows,
    "consents": consent_rows,
}


def export_files(campaign: Campaign) -> tuple[dict[str, bytes], dict[str, int]]:
    """The files of all tables by name, and how many rows of each trait they hold.

    The loader reads `<table>.csv` before `<table>.csv.gz`, so that the second holds what comes later.
    """
    files, late_count, corrected_count = {}, 0, 0
    tables = {table: rows_of(campaign) for table, rows_of in _ROWS.items()}
    late_ids = campaign.deliveries.ids[campaign.deliveries.are("late_references")].tolist()
    for table, rows in tables.items():
        first, second = rows, rows.clear()
        if campaign.options.has("corrected_references"):
            first, second = _corrected(table, rows)
            corrected_count += first.height + second.height - rows.height
        if "delivery_id" in rows.columns and late_ids:
            is_late = pl.col("delivery_id").is_in(late_ids)
            late = first.filter(is_late)
            late_count += late.height
            first, second = first.filter(~is_late), pl.concat([late, second])
        files[f"{table}.csv"] = _csv(first)
        if second.height:
            files[f"{table}.csv.gz"] = gzip.compress(_csv(second), mtime=0)
    counts = {trait: tables[trait].height for trait in ("exclusions", "consents")}
    return files, {"late_references": late_count, "corrected_references": corrected_count, **counts}


def _csv(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_csv(buffer)
    return buffer.getvalue()


def _corrected(table: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the first and the second file of a table hold where some rows come in two versions."""
    is_dated = "modified_at" in rows.columns
    right = rows.with_row_index()
    wrong = right.with_columns(_WRONG[table]).cast(right.schema)
    form = pl.col("index") % _EVERY

    def of(name: str, versions: pl.DataFrame, date: pl.Expr = _MODIFIED_AT) -> pl.DataFrame:
        chosen = versions.filter(form == _FORMS[name])
        return chosen.with_columns(date) if is_dated else chosen

    first = [
        of("newer", wrong, _DAY_BEFORE),
        of("undated", wrong),
        of("same_time", wrong),
        of("twice", wrong, _DAY_BEFORE),
        right.filter(~form.is_in([_FORMS[name] for name in ("newer", "undated", "same_time")])),
    ]
    second = [of("newer", right), of("undated", right, _NO_DATE), of("same_time", right)]
    if is_dated:
        second.append(of("older", wrong, _DAY_BEFORE))
    return tuple(pl.concat(parts).sort("index", maintain_order=True).drop("index") for parts in (first, second))  # type: ignore[return-value]
