"""What a comparison says of each kind of difference."""

import duckdb
import polars as pl
import pytest
from tests.oracle.comparing import expected_frame, frame_differences

URLS = {
    "delivery_id": ["1", "1"],
    "url_id": ["10", "11"],
    "label": ["a", "b"],
    "category": ["", "c"],
    "source_url": ["https://a.example/", "https://b.example/"],
    "click_count": ["1", "2"],
    "click_share": [1 / 3, 2 / 3],
    "rank": ["2", "1"],
    "human_click_count": ["1", "0"],
    "human_click_share": [1.0, 0.0],
    "human_rank": ["1", "2"],
}
EXPECTED = pl.DataFrame(URLS)


def found(**columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame(URLS | columns)


@pytest.mark.parametrize(
    ("frame", "differences"),
    [
        (EXPECTED, []),
        (EXPECTED.reverse(), []),
        (EXPECTED[:1], ["url_clicks (delivery_id 1, url_id 11): a row expected is not found"]),
        (
            pl.concat([EXPECTED, EXPECTED[1:].with_columns(url_id=pl.lit("12"))]),
            ["url_clicks (delivery_id 1, url_id 12): a row found is not expected"],
        ),
        (pl.concat([EXPECTED, EXPECTED[1:]]), ["url_clicks (delivery_id 1, url_id 11): a key found 2 times"]),
        (found(label=["a", "B"]), ["url_clicks (delivery_id 1, url_id 11): label: expected 'b', found 'B'"]),
        (found(category=[None, "c"]), ["url_clicks (delivery_id 1, url_id 10): category: expected '', found None"]),
        (
            found(click_share=[1 / 3, None]),
            ["url_clicks (delivery_id 1, url_id 11): click_share: expected 0.6666666666666666, found None"],
        ),
        (
            found(click_share=[float("inf"), float("nan")]),
            [
                "url_clicks (delivery_id 1, url_id 10): click_share: expected 0.3333333333333333, found inf",
                "url_clicks (delivery_id 1, url_id 11): click_share: expected 0.6666666666666666, found nan",
            ],
        ),
        (found(click_share=[1 / 3 * (1 + 9e-13), 2 / 3 * (1 - 9e-13)]), []),
        (
            found(click_share=[1 / 3, 0.66666666667]),
            ["url_clicks (delivery_id 1, url_id 11): click_share: expected 0.6666666666666666, found 0.66666666667"],
        ),
    ],
)
def test_a_difference_names_relation_key_and_column(frame: pl.DataFrame, differences: list[str]):
    assert frame_differences("url_clicks", EXPECTED, frame) == differences


def test_many_differences_of_a_kind_are_cut_and_counted():
    assert frame_differences("url_clicks", EXPECTED, found(rank=["1", "2"]), limit=1) == [
        "url_clicks (delivery_id 1, url_id 10): rank: expected '2', found '1'",
        "url_clicks: rank: 2 in all",
    ]
    assert frame_differences("url_clicks", EXPECTED, EXPECTED[:0], limit=0) == [
        "url_clicks: a row expected is not found: 2 in all"
    ]


def test_decimals_are_compared_without_the_zeros_that_end_them():
    database = duckdb.connect()
    database.execute(
        "create table tracking_statistics as select 1 as delivery_id, 'opens' as series, 10 as percent,"
        " unnest([300.500000, 1200.000000, 0.000000, null]::decimal(26, 6)[]) as seconds_to_percent,"
        " seconds_to_percent as human_seconds_to_percent"
    )

    assert expected_frame(database, "tracking_statistics")["seconds_to_percent"].to_list() == [
        "300.5",
        "1200",
        "0",
        None,
    ]
