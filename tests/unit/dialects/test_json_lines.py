"""Lines of JSON: what can be read is, whatever stands beside it."""

import random

import polars as pl
import pytest

from message_tracking.dialects.json_lines import read_json_lines

SCHEMA = pl.Schema(
    {
        "text": pl.String,
        "part": pl.Struct({"names": pl.List(pl.String), "is_on": pl.Boolean}),
        "more": pl.List(pl.String),
    }
)
GOOD = {
    '{"text": "a", "part": {"names": ["x", null], "is_on": true}, "more": []}': (
        "a",
        {"names": ["x", None], "is_on": True},
        [],
    ),
    '{"unknown": [1, {"x": "\\u00e9"}], "text": "}{"}': ("}{", None, None),
    '{"text": null, "part": null}': (None, None, None),
    "{}": (None, None, None),
    '{"text": "line\\nfeed"}': ("line\nfeed", None, None),
}
BAD = {
    '{"text": "a"': "not_json",
    '{"text": "a"}, {"text": "b"}': "not_json",
    '{"text": "a"} {"text": "b"}': "not_json",
    '"text"': "not_json",
    "null": "not_json",
    "[]": "not_json",
    '{"text": NaN}': "not_json",
    '{"text": "a",}': "not_json",
    '{"text": "a\tb"}': "not_json",
    "[" * 100_000: "not_json",
    '{"part": 1}': "field_types",
    '{"part": []}': "field_types",
    '{"part": {"names": "x"}}': "field_types",
    '{"more": {}}': "field_types",
    '{"text": 1e999}': "field_types",
}


def frame(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"line": range(5, len(texts) + 5), "text": texts}, schema={"line": pl.UInt32, "text": pl.String}
    )


@pytest.mark.parametrize("seed", range(20))
def test_any_mixture(seed):
    chance = random.Random(seed)
    texts = chance.choices([*GOOD, *BAD], weights=[8] * len(GOOD) + [seed / 5] * len(BAD), k=chance.randrange(60))
    read, rejected = read_json_lines(frame(texts), SCHEMA)
    assert read.rows() == [(line, *GOOD[text]) for line, text in enumerate(texts, 5) if text in GOOD]
    assert sorted(rejected.rows()) == [(line, BAD[text]) for line, text in enumerate(texts, 5) if text in BAD]


def test_halves_of_an_object_make_no_whole():
    read, rejected = read_json_lines(frame(['{"text": "a"', '"more": []}', '{"more": ["a"', '"b"]}']), SCHEMA)
    assert (read.height, rejected["reason"].to_list()) == (0, ["not_json"] * 4)
