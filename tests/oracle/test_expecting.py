"""The oracle against the golden data, and its readers against the cases that the spec and the design name."""

import gzip
import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest
from tests.oracle.bodies import html_links, text_links
from tests.oracle.comparing import RELATIONS, expected_frame, frame_differences
from tests.oracle.expecting import SourceFolder, expected_relations
from tests.oracle.exports import read_reference_data
from tests.oracle.logs import read_events
from tests.oracle.rules import Rules
from tests.oracle.sources import instant

REPOSITORY = Path(__file__).parents[2]
SECOND_CASE = REPOSITORY / "tests" / "fixtures" / "golden" / "second-case"
WORKED_EXAMPLE = REPOSITORY / "src" / "message_tracking" / "sample" / "golden" / "worked-example"
GOLDEN_RELATIONS = sorted(RELATIONS.keys() - {"recipients", "tracking_events"})
KEY = b"person key"


@pytest.fixture(scope="module")
def second_case() -> duckdb.DuckDBPyConnection:
    return expected_relations([SourceFolder("second-case", SECOND_CASE)], person_key=KEY)


def golden_frame(database: duckdb.DuckDBPyConnection, relation: str) -> pl.DataFrame:
    """Return the golden CSV file as `expected_frame` would, in the types of the oracle's; it knows everybody's figures only."""
    path = SECOND_CASE / "expected" / f"{relation}.csv"
    types = dict(database.execute(f"select column_name, column_type from (describe {relation})").fetchall())
    given = pl.read_csv(path, infer_schema=False).columns
    columns = ", ".join(
        f"{column if column in given else 'null'}::{kind} as {column}"
        if kind != "VARCHAR" or column not in given
        else f"coalesce({column}, '') as {column}"
        for column, kind in types.items()
    )
    golden = duckdb.connect()
    golden.execute(f"create table {relation} as select {columns} from read_csv('{path}', all_varchar = true)")
    frame = expected_frame(golden, relation)
    return frame.select(column for column in frame.columns if column in given)


@pytest.mark.parametrize("relation", GOLDEN_RELATIONS)
def test_a_relation_of_the_second_case_is_the_golden_one(relation: str, second_case: duckdb.DuckDBPyConnection):
    golden = golden_frame(second_case, relation)

    assert golden.height > 0
    assert frame_differences(relation, golden, expected_frame(second_case, relation)) == []


def test_the_events_of_the_second_case_are_the_golden_ones(second_case: duckdb.DuckDBPyConnection):
    golden = pl.read_csv(SECOND_CASE / "expected" / "tracking_events.csv", infer_schema=False)
    instants = pl.col("occurred_at").str.replace(r"(\.\d+)?Z$", "$1").str.to_datetime(time_unit="us")
    columns = ["delivery_id", "url_id", "message_id", "occurred_at", "event_type"]
    golden = golden.with_columns(instants.dt.strftime("%Y-%m-%dT%H:%M:%S.%6fZ")).select(columns)

    found = expected_frame(second_case, "tracking_events").select(columns)

    assert sorted(found.rows()) == sorted(golden.rows())


def test_the_worked_example_is_as_printed():
    database = expected_relations([SourceFolder("golden", WORKED_EXAMPLE)], person_key=KEY)
    figures = json.loads((WORKED_EXAMPLE / "expected.json").read_text())
    derived = figures["derived_from_the_formulas"]
    indicators = (
        database.execute("from delivery_indicators join deliveries using (delivery_id)").pl().row(0, named=True)
    )
    labels = "select url_id, label from url_clicks union all select 1, 'open'"

    printed = figures["printed_by_the_documentation"]
    assert {name: round(indicators[name], 4) for name in printed} == printed
    assert indicators["recipient_open_count"] == derived["recipient_open_count"]
    assert indicators["total_open_count"] == derived["total_open_count"]
    assert dict(database.execute("select label, click_count from url_clicks").fetchall()) == derived["url_clicks"]
    buckets: dict[str, dict[str, int]] = {}
    for time, label, count in database.execute(
        f"select strftime(bucket_at, '%H:%M'), label, event_count from tracking_buckets join ({labels}) using (url_id)"
    ).fetchall():
        buckets.setdefault(time, {})[label] = count
    assert buckets == derived["tracking_buckets"]
    assert (
        dict(
            database.execute(
                "select first_name, count(event_id) from recipients left join tracking_events using (recipient_id) group by all"
            ).fetchall()
        )
        == derived["recipient_tracking_rows"]
    )
    hot = database.execute("from hot_clicks join url_clicks using (url_id)").pl().rows(named=True)
    assert {
        row["label"]: {
            "click_count": row["click_count"],
            "click_share": round(row["click_share"], 4),
            "is_drawn": row["is_drawn"],
        }
        for row in hot
    } == derived["hot_clicks"]
    assert database.execute("select count(*) from tracking_events").fetchone() == (derived["tracking_event_count"],)


HEAD = "50x000000000FD7EC86\t2017-06-24T21:00:50.96\t1f506d71\t1aeab4b6\t1af77020\t0\t"
ACCEPTED = [
    f"{HEAD}e5155671-4ab7-4ce4-a763-3b82dda6d881\th\t\tMozilla/5.0\t52.46.20.64",
    f"{HEAD}\th\t\tMozilla/5.0\t2001:db8::1",
    f"{HEAD}\tt\t\tMozilla/5.0\t203.0.113.7, 10.0.0.4",
    f"{HEAD}\th\tamount=100&article=2\tMozilla/5.0\t203.0.113.7\t10.0.0.4",
    f"{HEAD}\th\t\t\t",
    f"{HEAD}\t\t\tMozilla/5.0 \ufffd\t\r",
]
REJECTED = [
    "",
    f"{HEAD}\th\t\tMozilla/5.0",
    f"{HEAD}\th\t\tMozilla\x1b/5.0\t",
    f"{HEAD}\th\t\tMozilla/5.0\thost.example",
    f"{HEAD}\th\t\tMozilla/5.0\t, 10.0.0.4",
    f"{HEAD}\th\t\tMozilla/5.0\t203.0.113.7, 10.0.0.4\t10.0.0.5",
    f"{HEAD}\th\t\tMozilla/5.0\t203.0.113.999",
    f"{HEAD}\th\t\tMozilla/5.0\t\r\r",
    f"{HEAD}\thh\t\tMozilla/5.0\t",
    f"{HEAD}\t1\t\tMozilla/5.0\t",
    f"{HEAD}{'a' * 49}\th\t\tMozilla/5.0\t",
    ACCEPTED[0].replace("50x0", "0x00"),
    ACCEPTED[0].replace("50x0", "51x0"),
    ACCEPTED[0].replace("50x0", "50x8"),
    ACCEPTED[0].replace("50x0", "50x"),
    ACCEPTED[0].replace("50.96", "50.96Z"),
    ACCEPTED[0].replace("50.96", "50."),
    ACCEPTED[0].replace("06-24", "06-31"),
    ACCEPTED[0].replace("2017", "1999"),
    ACCEPTED[0].replace("2017", "9999"),
    ACCEPTED[0].replace("1f506d71", "-1f506d71"),
    ACCEPTED[0].replace("1f506d71", "01f506d71"),
    ACCEPTED[0].replace("1f506d71", ""),
]


def one_log(folder: Path, content: bytes, name: str = "0x000000000FD7E000.log") -> SourceFolder:
    path = folder / "logs" / "edge" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return SourceFolder("one", folder)


@pytest.mark.parametrize("line", ACCEPTED)
def test_a_line_is_accepted(line: str, tmp_path: Path):
    [event] = read_events([one_log(tmp_path, f"{line}\n".encode())], Rules())

    assert event.log_id == "50x000000000FD7EC86"
    assert event.occurred_at == datetime(2017, 6, 24, 21, 0, 50, 960_000)  # noqa: DTZ001
    assert (event.message_id, event.delivery_id, event.url_id) == (0x1F506D71, 0x1AEAB4B6, 0x1AF77020)


@pytest.mark.parametrize("line", REJECTED)
def test_a_line_is_rejected(line: str, tmp_path: Path):
    assert read_events([one_log(tmp_path, f"{line}\n".encode())], Rules()) == []


@pytest.mark.parametrize(
    ("name", "event_count"),
    [
        ("0x000000000FD7E000.log", 1),
        ("0x000000000FD7E000.log.gz", 2),
        ("0xFD7E000.log", 0),
        ("0x000000000FD7E000.log.1", 0),
    ],
)
def test_an_unfinished_line_waits_but_in_a_gzip(name: str, event_count: int, tmp_path: Path):
    content = f"{ACCEPTED[0]}\n{ACCEPTED[0].replace('EC86', 'EC87')}".encode()

    assert len(read_events([one_log(tmp_path, content, name)], Rules())) == event_count


@pytest.mark.parametrize(
    ("line_count", "rejected_count", "event_count"), [(1000, 200, 800), (1000, 201, 0), (999, 999, 0), (999, 998, 1)]
)
def test_a_file_over_its_reject_limit_counts_nothing(
    line_count: int, rejected_count: int, event_count: int, tmp_path: Path
):
    good = [ACCEPTED[0].replace("0FD7EC86", f"{number:08X}") for number in range(line_count - rejected_count)]
    content = "".join(f"{line}\n" for line in [*good, *["broken"] * rejected_count]).encode()

    assert len(read_events([one_log(tmp_path, content)], Rules())) == event_count


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2025-01-15T12:00:00", "2025-01-15T11:00:00"),
        ("2025-07-15T12:00:00", "2025-07-15T10:00:00"),
        ("2025-03-30T02:30:00", "2025-03-30T01:30:00"),  # never shown by a clock
        ("2025-10-26T02:30:00", "2025-10-26T01:30:00"),  # shown twice
    ],
)
def test_a_local_time_is_read_as_postgresql_does(local: str, utc: str):
    assert instant(datetime.fromisoformat(local), ZoneInfo("Europe/Berlin")) == datetime.fromisoformat(utc)


def test_the_newest_reference_row_stands(tmp_path: Path):
    header = "recipient_id,first_name,last_name,email,email_format,modified_at,unknown"
    rows = {
        "recipients.csv": [
            '1,"old, quoted",L,,,2025-01-01T00:00:00Z,x',
            "1,new,L,,2,2025-01-03T00:00:00Z,x",
            "2,undated,,,,,x",
            "3,untouched,,,1,2025-01-01T00:00:00Z,x",
            "x,no key,,,,,x",
            ",no key,,,,,x",
            "4,short,,",
            "5,no format,,,html,,x",
        ],
        "recipients.csv.gz": [
            "1,older,L,,,2025-01-02T23:59:59Z,x",
            "2,dated,,,,2000-01-01T00:00:00+02:00,x",
            "3,same age,,,,2025-01-01T02:00:00+02:00,x",
        ],
    }
    folder = tmp_path / "exports"
    folder.mkdir()
    for name, lines in rows.items():
        content = "\r\n".join([header, *lines]).encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    undated = {"recipient_id": 3, "first_name": "of parquet", "last_name": "", "email": "", "email_format": None}
    pl.DataFrame(undated | {"modified_at": None}).write_parquet(folder / "recipients.parquet")

    recipients = read_reference_data([SourceFolder("one", tmp_path)], Rules())["recipients"]

    assert recipients.select("recipient_id", "first_name", "email_format").rows() == [
        (1, "new", 2),
        (2, "dated", None),
        (3, "of parquet", None),
    ]


def test_a_missing_column_is_named(tmp_path: Path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "recipients.csv").write_text("recipient_id,first_name,last_name,email,modified_at\n")

    with pytest.raises(ValueError, match=r"recipients\.csv: no column email_format; found recipient_id"):
        read_reference_data([SourceFolder("one", tmp_path)], Rules())


@pytest.mark.parametrize(
    ("body", "links"),
    [
        ("<a href='x?a=1&amp;b=2'>", ["x?a=1&b=2"]),
        ('<A title="a>b" HREF = " x "/>', [" x "]),
        ("<a href=x/y/>z</a>", ["x/y/"]),
        ("<a href=first href=second>", ["first"]),
        ("<a name=x><a href><abbr href=x><area href=x>", [""]),
        ("<a href='&copy=1&copy;&copy&notit;&#38;&#x26'>", ["&copy=1©©&notit;&&"]),
        ("<!--[if mso]><a href=x><![endif]--><a href=y>", ["y"]),
        ("<![if !mso]><a href=x><![endif]>", ["x"]),
        ("<!--><a href=x>--><!-- <a href=y> --!><a href=z>", ["x", "z"]),
        ("<script>'<a href=x>'</script ><a href=y><title><a href=z></title>", ["y"]),
        ("<a href='a\r\nb'>1 < 2</a title='>'><a href='unfinished>", ["a\nb"]),
    ],
)
def test_the_links_of_an_html_body(body: str, links: list[str]):
    assert html_links(body) == links


@pytest.mark.parametrize(
    ("body", "links"),
    [
        ("http://a.example/ and\nhttps://b.example/?x=1&amp;y.", ["http://a.example/", "https://b.example/?x=1&amp;y"]),
        ("<http://a.example/><https://b.example/>", ["http://a.example/", "https://b.example/"]),
        (
            """("http://a.example/") ['http://b.example/'], (http://c.example/!?)""",
            ["http://a.example/", "http://b.example/", "http://c.example/"],
        ),
        ("xhttp://a.example/ =http://b.example/ HTTP://c.example/ ftp://d.example/", []),
    ],
)
def test_the_links_of_a_text_body(body: str, links: list[str]):
    assert text_links(body) == links
