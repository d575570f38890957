"""Lines of JSON into columns. What is wrong with a line is said of that line and keeps no other from being read."""

import io
import json
from collections.abc import Iterator

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
    is_json = pl.Series([_is_object(text) for text in lines["text"].to_list()], dtype=pl.Boolean)
    wrong = lines.filter(~is_json)["line"].to_list()
    pieces = list(_pieces(lines.filter(is_json), schema))
    good = [piece for piece in pieces if isinstance(piece, pl.DataFrame)]
    odd = [piece for piece in pieces if isinstance(piece, int)]
    reasons = [NOT_JSON] * len(wrong) + [FIELD_TYPES] * len(odd)
    return pl.concat([_empty(lines, schema), *good]), _rejected(wrong + odd, reasons).sort("line")


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


def _is_object(text: str) -> bool:
    """Whether a text is a JSON object by itself."""
    try:
        return isinstance(json.loads(text, parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(name: str) -> None:
    """Python takes NaN and Infinity, JSON does not."""
    raise ValueError(name)


def _empty(lines: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(schema={"line": lines["line"].dtype, **schema})


def _rejected(lines: list[int], reasons: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"line": lines, "reason": reasons}, schema={"line": pl.UInt32, "reason": pl.String})
