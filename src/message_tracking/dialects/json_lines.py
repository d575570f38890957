"""Lines of JSON into columns. What is wrong with a line is said of that line and keeps no other from being read."""

import io
import json
from collections.abc import Iterator
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

NOT_JSON, FIELD_TYPES = "not_json", "field_types"


def read_json_lines(lines: pl.DataFrame, schema: pl.Schema) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read `line` and `text` into `line` and the schema's columns; return (`line`, `reason`) of those that cannot be.

    What is absent is null, what the schema does not name is passed over. A line is rejected as `not_json` where it is
    no object, as `field_types` where a named field holds something else than it should.
    """
    read = _attempt(lines, schema)
    if read is not None:
        return read, _rejected([], [])
    kind = pl.Struct(schema)
    judged = lines.with_columns(
        reason=pl.Series([_fault(text, kind) for text in lines["text"].to_list()], dtype=pl.String)
    )
    wrong = judged.filter(pl.col("reason").is_not_null()).select("line", "reason")
    pieces = list(_pieces(judged.filter(pl.col("reason").is_null()).select("line", "text"), schema))
    good = [piece for piece in pieces if isinstance(piece, pl.DataFrame)]
    odd = [piece for piece in pieces if isinstance(piece, int)]
    return pl.concat([_empty(lines, schema), *good]), pl.concat([wrong, _rejected(odd, [FIELD_TYPES] * len(odd))])


def _attempt(lines: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame | None:
    """Read all lines, or none where one of them cannot be read."""
    if lines.is_empty():
        return _empty(lines, schema)
    text = "\n".join(lines["text"].to_list()).encode()
    try:
        read = pl.read_ndjson(io.BytesIO(text), schema=schema)
    except PolarsError:
        return None
    return read.insert_column(0, lines["line"]) if read.height == lines.height else None


def _pieces(lines: pl.DataFrame, schema: pl.Schema) -> Iterator[pl.DataFrame | int]:
    """Read ever smaller pieces of lines; a number is a line that cannot be read alone."""
    read = _attempt(lines, schema)
    if read is not None:
        yield read
    elif lines.height == 1:
        yield lines["line"][0]
    else:
        half = lines.height // 2
        yield from _pieces(lines[:half], schema)
        yield from _pieces(lines[half:], schema)


def _fault(text: str, kind: pl.Struct) -> str | None:
    """Say why a line surely cannot be read: that costs less than to try smaller and smaller pieces."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return NOT_JSON
    if not isinstance(value, dict):
        return NOT_JSON
    return None if _fits(value, kind) else FIELD_TYPES


def _fits(value: Any, kind: Any) -> bool:
    """Whether objects and lists are where the schema has them; of plain values polars makes what it can."""
    if value is None:
        return True
    if isinstance(kind, pl.Struct):
        return isinstance(value, dict) and all(_fits(value.get(field.name), field.dtype) for field in kind.fields)
    if isinstance(kind, pl.List):
        return isinstance(value, list) and all(_fits(each, kind.inner) for each in value)
    return True


def _refuse(name: str) -> None:
    """Python takes NaN and Infinity, JSON does not."""
    raise ValueError(name)


def _empty(lines: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(schema={"line": lines["line"].dtype, **schema})


def _rejected(lines: list[int], reasons: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"line": lines, "reason": reasons}, schema={"line": pl.UInt32, "reason": pl.String})
