"""Other senders' events: Amazon SES as a folder of objects, and a dialect that only this test knows."""

import gzip
import json
import random
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from tests.warehouse.conftest import (
    DELIVERY_COLUMNS,
    FIXTURES,
    RECIPIENT_COLUMNS,
    Landing,
    Pipeline,
    published_rows,
)

from message_tracking import doctor
from message_tracking.cli import main
from message_tracking.dialects import Dialect, DialectLines
from message_tracking.dialects.hashing import hashed_ids, identity
from message_tracking.dialects.ses import SesEvents
from message_tracking.errors import ConfigurationError
from message_tracking.loading.derived_rows import DerivedRows
from message_tracking.loading.replaying import replay_rejected_lines
from message_tracking.loading.tracking_logs import load_tracking_logs
from message_tracking.pipeline import recompute_everything
from message_tracking.settings import PROJECT
from message_tracking.sources import read_sources
from message_tracking.transports.opening import open_source
from message_tracking.warehouse import fetch_all

EVENTS = (FIXTURES / "ses" / "events.jsonl").read_bytes().splitlines(keepends=True)
SES = "sources:\n  - name: shop\n    kind: folder\n    path: landing/shop\n    dialect: ses\n"
CORRUPTED = [
    b'{"eventType":"Open","mail":{"timestamp":"2025-03-04T1\n',
    b"[]\n",
    b'{"eventType":"Open","mail":"?"}\n',
    b"\n",
    b"\xff{}\n",
    EVENTS[18].replace(b'"Open"', b'"Yawn"'),
    EVENTS[18].replace(b"2025-03-04T10:10:00.250Z", b"yesterday"),
    EVENTS[18].replace(b"2025-03-04T10:10:00.250Z", b"1999-03-04T10:10:00.250Z"),
    EVENTS[18].replace(b"203.0.113.7", b"localhost"),
    EVENTS[18].replace(b"Mozilla", b"\\u0000ozilla"),
    EVENTS[18].replace(b'"messageId"', b'"messageID"'),
    EVENTS[18].replace(b'"destination": ["ada@gmail.com"]', b'"destination": []'),
    EVENTS[21].replace(b'"link":', b'"lnk":'),
]
REASONS = [
    "not_json",
    "not_json",
    "field_types",
    "empty_line",
    "not_utf8",
    "event_type_unknown",
    "time_form",
    "time_range",
    "ip_address_form",
    "text_holds_nul",
    "message_id_missing",
    "destination_missing",
    "link_missing",
]


class Shop:
    """The source's folder, and what the warehouse makes of it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.folder = pipeline.settings.home / "landing" / "shop"
        self.folder.mkdir(parents=True)
        self.configure(SES)

    def configure(self, text: str) -> None:
        self.pipeline.settings.sources_file.write_text(text)

    def write(self, lines: list[bytes], name: str = "logs/a.gz") -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        content = b"".join(lines)
        file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
        return file

    def load(self):
        return self.pipeline.load()[-1]

    def query(self, text: str, *parameters):
        with closing(self.pipeline.warehouse.connect("test")) as connection:
            return fetch_all(connection, text, parameters)


@pytest.fixture
def shop(pipeline) -> Shop:
    return Shop(pipeline)


def counts(summary) -> tuple[int, int, int, int]:
    """Lines read, accepted, rejected, already loaded; they must add up."""
    assert summary.line_count == summary.accepted + summary.rejected + summary.already_loaded
    return summary.line_count, summary.accepted, summary.rejected, summary.already_loaded


def test_every_kind_of_event_reaches_the_marts(shop):
    shop.write(EVENTS)
    assert counts(shop.load()) == (28, 28, 0, 0)
    assert shop.query("select event_count, described_count from ops.file_ledger") == [(8, 20)]
    assert shop.pipeline.publish().event_count == 8
    assert shop.query(
        """
        select label, channel, contact_at, target_count, to_deliver_count, processed_count, success_count, error_count,
            complaint_count
        from marts.deliveries order by label
        """
    ) == [
        # Nine messages, one of them of a mail to two; three arrived, six did not, of which one was complained about.
        ("spring", 0, datetime(2025, 3, 4, 10, tzinfo=UTC), None, 9, 9, 3, 6, 1),
        ("transactional", 0, datetime(2025, 3, 4, 9, tzinfo=UTC), None, 1, 1, 1, 0, 0),
    ]
    assert shop.query(
        """
        select label, total_open_count, recipient_open_count, estimated_recipient_open_count, total_click_count,
            recipient_click_count, opt_out_click_count
        from marts.delivery_indicators inner join marts.deliveries using (delivery_id) order by label
        """
    ) == [
        # Of four opens one is a duplicate and one of nobody knows whom; Ada and Bob have reacted.
        ("spring", 3, 2, 2, 1, 1, 2),
        ("transactional", 0, 1, 1, 1, 1, 0),
    ]
    assert shop.query(
        "select domain, failure_reason, error_count from marts.bounces order by domain, failure_reason, error_count"
    ) == [("Gmail", 0, 1), ("Gmail", 1, 1), ("Others", 0, 1), ("Others", 5, 1), ("Others", 8, 1), ("Others", 20, 1)]
    assert shop.query(
        'select label, category, source_url, url_type, click_count from marts.url_clicks order by label collate "C"'
    ) == [
        ("Invoice", "billing", "https://shop.example/invoice", 1, 1),
        ("Leave", "", "https://shop.example/leave", 3, 1),
        ("Unsubscribe", "", "", 3, 1),
        ("https://shop.example/a", "", "https://shop.example/a", 1, 1),
    ]
    assert shop.query("select email from marts_private.recipients order by email") == [
        (f"{name}@{domain}",)
        for name, domain in [
            ("ada", "gmail.com"), ("bob", "example.org"), ("dan", "example.org"), ("eve", "gmail.com"),
            ("joe", "example.org"), ("kim", "example.org"), ("lee", "gmail.com"), ("pat", "example.org"),
            ("sam", "example.org"),
        ]
    ]  # fmt: skip
    assert shop.query("select purpose, is_allowed from raw.consents order by purpose") == [
        ("subscription:customers", False),
        ("subscription:customers/offers", False),
    ]
    assert recompute_everything(shop.pipeline.warehouse, shop.pipeline.settings, report=print, dry_run=True) == {}
    with closing(shop.pipeline.warehouse.connect("test")) as connection:
        assert list(doctor._ledger(connection)) == []


def test_ids_are_the_same_on_every_machine(shop):
    shop.write([EVENTS[0], EVENTS[21]])
    shop.load()
    assert shop.query("select delivery_id, message_id, url_id, prefix::text, counter, field_12 from raw.events") == [
        (
            8464618290955907894, 7240328782789287885, 7708677409326062986, "h", -9212512646308243575,
            "0102018f00000001-5d1e7a10-0000-4000-8000-000000000001-000000",
        )
    ]  # fmt: skip
    assert shop.query("select message_id, recipient_id between 2 ^ 62 and 2 ^ 63 from raw.messages") == [
        (7240328782789287885, True)
    ]


def test_what_comes_again_is_loaded_once(shop):
    shop.write([*EVENTS, EVENTS[21], EVENTS[0]])
    assert counts(shop.load()) == (30, 28, 0, 2)
    shop.pipeline.publish()
    before = published_rows(shop.pipeline.warehouse)
    again = shop.load()
    assert (again.files, counts(again)) == (0, (0, 0, 0, 0))
    shop.write(EVENTS[::-1], "logs/b.json")
    assert counts(shop.load()) == (28, 0, 0, 28)
    assert shop.query("select count(*) from raw.messages") == [(10,)]
    shop.pipeline.publish()
    assert published_rows(shop.pipeline.warehouse) == before


def test_other_files_and_another_order_give_the_same_marts(shop, second_warehouse, tmp_path, kept_parse):
    chance, slices = random.Random(1), [[] for _ in range(4)]
    for line in EVENTS:
        slices[chance.randrange(4)].append(line)
        if chance.random() < 0.3:
            slices[chance.randrange(4)].append(line)
    for number, lines in enumerate(slices):
        chance.shuffle(lines)
        shop.write(lines, f"logs/{number}.json")
        shop.pipeline.run()
    home = tmp_path / "second_home"
    home.mkdir()
    (home / "sources.yml").write_text(SES)
    settings = replace(
        shop.pipeline.settings, home=home, warehouse_url=second_warehouse.url, sources_file=home / "sources.yml"
    )
    with kept_parse(settings):
        at_once = Shop(Pipeline(second_warehouse, settings))
        at_once.write(EVENTS)
        at_once.pipeline.run()
    assert published_rows(shop.pipeline.warehouse) == published_rows(second_warehouse)


def test_corrupted_lines_are_rejected_one_by_one(shop):
    lines = [line for pair in zip(CORRUPTED, EVENTS[: len(CORRUPTED)], strict=True) for line in pair]
    shop.write(lines)
    summary = shop.load()
    assert counts(summary) == (26, 13, 13, 0)
    assert "of 26 lines (50.0%) were rejected" in summary.warnings[0]
    rejected = shop.query("select line_number, byte_offset, reason, raw_line from raw.rejected_lines order by 1")
    assert [reason for _, _, reason, _ in rejected] == REASONS
    text = b"".join(lines)
    for number, offset, _, raw in rejected:
        assert bytes(raw) + b"\n" == CORRUPTED[number // 2]
        assert text[offset:].startswith(bytes(raw) + b"\n")


def test_a_file_of_nothing_but_other_things_is_refused(shop):
    shop.write([b"{}\n"] * 1000, "logs/broken.json")
    shop.write(EVENTS)
    summary = shop.load()
    assert (summary.accepted, len(summary.failed_files)) == (28, 1)
    assert "event_type_unknown 1000" in summary.failed_files[0].reason
    assert shop.query("select count(*) from ops.hashed_ids") == [(28,)]


def test_lines_that_another_version_understands_are_replayed_once(shop, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("message_tracking.dialects.ses_fields.EVENT_TYPES", ("Send", "Delivery"))
        shop.write(EVENTS)
        assert shop.load().reject_reasons == {"event_type_unknown": 16}
    source = shop.pipeline.sources.named("shop")
    assert counts(replay_rejected_lines(shop.pipeline.warehouse, source, "events")) == (16, 16, 0, 0)
    assert counts(replay_rejected_lines(shop.pipeline.warehouse, source, "events")) == (0, 0, 0, 0)
    assert shop.query("select sum(event_count), sum(described_count) from ops.file_ledger") == [(8, 20)]
    assert shop.pipeline.publish().event_count == 8


def test_objects_in_folders_of_days(shop):
    shop.configure(SES + "    logs: '*/*/*.gz'\n    dialect_options: {delivery_tag: 'ses:from-domain'}\n")
    shop.write(EVENTS[:1], "2025/03/part.gz")
    shop.write(EVENTS[1:2], "2025/04/part.gz")
    shop.write(EVENTS[2:3], "2025/04/other")
    summary = shop.load()
    assert (counts(summary), summary.files, summary.ignored) == ((2, 2, 0, 0), 2, 1)
    assert shop.query("select file_name from ops.file_ledger where status = 'loaded' order by 1") == [
        ("2025/03/part.gz",),
        ("2025/04/part.gz",),
    ]
    assert shop.query("select label, to_deliver_count from raw.deliveries where superseded_by_load_id is null") == [
        ("shop.example", 2)
    ]


def test_the_last_line_of_an_object_need_not_be_finished(shop):
    shop.write([*EVENTS[:2], EVENTS[2].removesuffix(b"\n")], "logs/a.json")
    summary = shop.load()
    assert (counts(summary), summary.unfinished) == ((3, 3, 0, 0), 0)
    assert shop.load().files == 0


def test_a_load_that_breaks_off_leaves_nothing(shop, monkeypatch):
    def break_off(*_):
        raise RuntimeError("the disk is full")

    shop.write(EVENTS)
    with monkeypatch.context() as patch:
        patch.setattr(DerivedRows, "merge", break_off)
        with pytest.raises(RuntimeError, match="disk is full"):
            shop.load()
    rows = "(select count(*) from raw.events) + (select count(*) from ops.hashed_ids) + (select count(*) from raw.messages)"
    assert shop.query(f"select {rows} + (select count(*) from ops.file_ledger)") == [(0,)]
    assert counts(shop.load()) == (28, 28, 0, 0)


@pytest.mark.parametrize("name", ["logs/a.json", "logs/a.gz"])
def test_blocks_of_any_size(name, shop):
    shop.write([*EVENTS, *CORRUPTED, *EVENTS], name)
    files = open_source(shop.pipeline.sources.named("shop"))
    summary = load_tracking_logs(shop.pipeline.warehouse, files, "events", block_size=3000)
    assert counts(summary) == (69, 28, 13, 28)
    assert shop.query("select min(line_number), max(line_number) from raw.rejected_lines") == [(29, 41)]
    assert shop.query("select count(*) from raw.events") == [(8,)]
    assert shop.query("select to_deliver_count from raw.deliveries where superseded_by_load_id is null order by 1") == [
        (1,),
        (9,),
    ]


def test_what_an_export_says_stays(shop):
    shop.write(EVENTS[:9])
    shop.load()
    ((spring,),) = shop.query("select delivery_id from raw.deliveries where label = 'spring'")
    ((recipient,),) = shop.query("select recipient_id from raw.recipients where email = 'ada@gmail.com'")
    exports = Landing(shop.folder)
    dated = f"{spring},x,Spring sale,,0,95,false,false,,,12,2,10,,,2025-03-04T09:59:00,,2025-03-04T09:59:00"
    exports.write_export("deliveries", DELIVERY_COLUMNS, [dated])
    exports.write_export("recipients", RECIPIENT_COLUMNS, [f"{recipient},Ada,Lovelace,ada@gmail.com,,"])
    shop.write(EVENTS, "logs/b.gz")
    shop.load()
    assert shop.query(
        "select label, to_deliver_count, contact_at from raw.deliveries where superseded_by_load_id is null order by 1"
    ) == [
        ("Spring sale", 10, datetime(2025, 3, 4, 9, 59, tzinfo=UTC)),
        ("transactional", 1, datetime(2025, 3, 4, 9, tzinfo=UTC)),
    ]
    assert shop.query(
        "select first_name from raw.recipients where email = 'ada@gmail.com' and superseded_by_load_id is null"
    ) == [("Ada",)]


def test_the_command_line_needs_to_be_told_nothing_more(shop, monkeypatch):
    settings = shop.pipeline.settings
    for name, value in {
        "HOME": settings.home,
        "WAREHOUSE": settings.warehouse_url,
        "SOURCES": settings.sources_file,
    }.items():
        monkeypatch.setenv(f"MESSAGE_TRACKING_{name}", str(value))
    shop.write([*EVENTS, *CORRUPTED[:1]])
    loaded = CliRunner().invoke(main, ["load", "--source", "shop", "--server", "events"])
    assert (loaded.exit_code, "shop/events: rejected 1 for not_json" in loaded.output) == (0, True)
    replayed = CliRunner().invoke(main, ["replay", "--reason", "not_json"])
    assert (replayed.exit_code, "shop/events: rejected 1 for not_json" in replayed.output) == (0, True)
    refused = CliRunner().invoke(main, ["replay", "--reason", "log_id_form"])
    assert (refused.exit_code, "There are: empty_line, not_utf8, not_json" in refused.output) == (2, True)


class Postcards(Dialect):
    """`<id> <delivery> <text>` on each line: the sender of this test."""

    def read(self, lines, reading):
        parts = lines.select("line", pl.col("text").str.splitn(" ", 3).struct.unnest())
        good = parts.filter(pl.col("field_2").is_not_null())
        delivery = hashed_ids(good.select(identity("delivery", pl.col("field_1"))).to_series())
        return DialectLines(
            good.select("line", event_key="field_0"),
            good.select(
                "line",
                occurred_at=pl.datetime(2025, 3, 4),
                message_id=0,
                delivery_id=delivery,
                url_id=1,
                user_agent="field_2",
            ),
            parts.filter(pl.col("field_2").is_null()).select("line", reason=pl.lit("too_short")),
            {"deliveries": good.select(delivery_id=delivery, label="field_1")},
        )


def test_a_dialect_of_somebody_else(shop):
    shop.configure(SES.replace("dialect: ses", f"dialect: {__name__}:Postcards"))
    shop.write([b"1 holiday Beach\n", b"2 holiday Sun\n", b"1 holiday Beach\n", b"3\n"], "logs/a")
    assert counts(shop.load()) == (4, 2, 1, 1)
    assert shop.query("select reason from raw.rejected_lines") == [("too_short",)]
    shop.pipeline.publish()
    assert shop.query(
        "select label, total_open_count from marts.deliveries inner join marts.delivery_indicators using (delivery_id)"
    ) == [("holiday", 2)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("dialect: sess", r"line 5, sources\.0\.dialect.*no dialect 'sess': it is campaign, ses, or module:Class"),
        ("dialect: no_such_module:X", r"line 5, sources\.0\.dialect.*cannot be imported: No module named"),
        ("dialect: json:dumps", r"line 5, sources\.0\.dialect.*no class derived from"),
        ("dialect: json:nothing", r"line 5, sources\.0\.dialect.*cannot be imported.*nothing"),
        ("dialect: ses\n    dialect_options: {tag: x}", r"line 6, sources\.0\.dialect_options.*no option 'tag'"),
        ("dialect: ses\n    dialect_options: {delivery_tag: 1}", r"line 6, sources\.0\.dialect_options.*message tag"),
        ("dialect_options: {a: b}", r"line 5, sources\.0\.dialect_options.*Campaign's own logs have no options"),
        ("dialect: ses\n    logs: logs/**", r"line 6, sources\.0\.logs.*must name each folder"),
        ("dialect: ses\n    logs: ''", r"line 6, sources\.0\.logs.*must name each folder"),
    ],
)
def test_errors_name_line_and_key(change, message, tmp_path):
    file = tmp_path / "sources.yml"
    file.write_text(SES.replace("dialect: ses", change))
    with pytest.raises(ConfigurationError, match=message):
        read_sources(file, {})


def test_every_reason_is_documented():
    page = (PROJECT / "docs" / "sources.md").read_text(encoding="utf-8")
    for code, meaning in SesEvents.reject_reasons.items():
        assert f"| `{code}` | {meaning} |" in page


def test_every_documented_event_type_is_in_the_fixture():
    assert {json.loads(line)["eventType"] for line in EVENTS} == {
        "Send", "Delivery", "Open", "Click", "Bounce", "Complaint", "Reject", "Rendering Failure", "DeliveryDelay",
        "Subscription",
    }  # fmt: skip
