"""Exports and bodies: what reports need, what comes late or again, and links that agree with the tracked URLs."""

import html
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from message_tracking.loading.reference_tables import REFERENCE_TABLES
from message_tracking.sample import SampleOptions, generate_sample


def test_the_campaign_has_what_reports_need(sample) -> None:
    exports = sample.exports
    assert {row["status"] for row in exports["messages"]} > {"1", "2", "6", "7"}
    assert {row["failure_reason"] for row in exports["messages"]} >= {"0", "1", "5", "8"}
    assert min(int(row["message_id"]) for row in exports["messages"]) < 0
    assert min(int(row["url_id"]) for row in exports["tracked_urls"]) < 0
    assert {row["offer_id"] for row in exports["tracked_urls"]} == {"", "0", "7001"}
    assert {row["type"] for row in exports["tracked_urls"]} == {"0", "1", "2", "3", "4", "5", "6", "7", "10"}
    assert len({(row["delivery_id"], row["recipient_id"]) for row in exports["messages"]}) == len(exports["messages"])
    domains = {row["recipient_id"]: row["email"].partition("@")[2] for row in exports["recipients"]}
    assert all(domains[row["recipient_id"]] == row["address_domain"] for row in exports["messages"])
    assert {row["email_format"] for row in exports["recipients"]} == {"1", "2"}


def test_the_exports_have_the_columns_that_the_loader_reads(sample) -> None:
    columns = {table.name: list(table.columns) for table in REFERENCE_TABLES}
    assert columns.keys() - sample.rows.keys() == {"erasures"}
    for name, rows in sample.rows.items():
        for _, row in rows:
            assert list(row) == columns[name]


def test_counts_of_deliveries_are_those_of_their_messages(sample) -> None:
    for row in sample.exports["deliveries"]:
        if row["is_model"] == "true" or not row["to_deliver_count"]:
            continue
        count = sum(message["delivery_id"] == row["delivery_id"] for message in sample.exports["messages"])
        assert int(row["to_deliver_count"]) == count
        assert int(row["target_count"]) - int(row["rejected_count"]) == count
        texts = {"Flash sale by SMS": 0, "Catalogue by post": 0, "HTML only": 0, "Text only": count}
        assert int(row["text_count"]) == texts.get(row["label"], count // 10 + (count % 10 > 7))


def test_who_was_excluded_got_no_message(sample) -> None:
    exclusions = sample.exports["exclusions"]
    received = {(row["delivery_id"], row["recipient_id"]) for row in sample.exports["messages"]}
    assert not received & {(row["delivery_id"], row["recipient_id"]) for row in exclusions}
    known = {row["recipient_id"] for row in sample.exports["recipients"]}
    assert known >= {row["recipient_id"] for row in exclusions}
    assert {row["reason"] for row in exclusions} == {"quarantine", "duplicate", "denylist", "empty"}
    counts = Counter(row["delivery_id"] for row in exclusions)
    for row in sample.exports["deliveries"]:
        if row["rejected_count"]:
            assert counts[row["delivery_id"]] == int(row["rejected_count"])
    assert (
        sum(not row["rejected_count"] and counts[row["delivery_id"]] > 0 for row in sample.exports["deliveries"]) == 1
    )


def test_some_refuse_and_some_of_them_permit_it_again(sample) -> None:
    said: dict[str, list[tuple[str, bool]]] = {}
    for row in sample.exports["consents"]:
        if row["purpose"] == "tracking":
            said.setdefault(row["recipient_id"], []).append((row["effective_at"], row["is_allowed"] == "true"))
    histories = Counter(tuple(is_allowed for _, is_allowed in sorted(history)) for history in said.values())
    assert set(histories) == {(False,), (False, True), (True, False), (True, False, True)}
    others = {row["recipient_id"] for row in sample.exports["consents"] if row["purpose"] != "tracking"}
    assert others - said.keys()
    assert others & said.keys()


@pytest.mark.parametrize("table", ["deliveries", "messages", "tracked_urls", "recipients", "exclusions", "consents"])
def test_rows_come_again_in_every_way(sample, table: str) -> None:
    versions: dict[tuple[str, ...], list] = {}
    for suffix, row in sample.rows[table]:
        versions.setdefault(sample.key(table, row), []).append((suffix, row))
    ways = Counter()
    for row in sample.exports[table]:
        found = versions[sample.key(table, row)]
        assert len(found) <= 2
        if len(found) == 2:
            (first_file, first), (second_file, second) = found
            assert "draft" not in row.get("label", "").lower()
            assert not row.get("email", "").startswith("old.")
            assert row.get("reason") != "draft"
            known, new = first.get("modified_at", ""), second.get("modified_at", "")
            order = "undated" if not new else "newer" if new > known else "older" if new < known else "same time"
            ways[order, first_file != second_file] += 1
    expected = {("newer", True), ("newer", False), ("older", True), ("same time", True), ("undated", True)}
    is_dated = table not in {"tracked_urls", "consents"}
    assert set(ways) >= (expected if is_dated else {("undated", True), ("undated", False)})


def test_a_delivery_is_described_after_its_events(sample) -> None:
    (late,) = [row for row in sample.exports["deliveries"] if row["label"] == "Described late"]
    events = [found for found in sample.events if found.delivery_id == int(late["delivery_id"])]
    assert events
    assert max(found.at.isoformat() for found in events) < late["modified_at"]
    for table in ("deliveries", "messages", "tracked_urls", "exclusions"):
        suffixes = {suffix for suffix, row in sample.rows[table] if row["delivery_id"] == late["delivery_id"]}
        assert ".csv.gz" in suffixes
        assert table == "messages" or suffixes == {".csv.gz"}


class Anchors(HTMLParser):
    """The links of an HTML body: `<a href>`, not in comments, no areas."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def links_of(body: str, part: str) -> list[str]:
    if part == "html":
        return Anchors(body).found
    runs = re.findall(r"(?:(?<=\s)|(?<=[<(\"'\[])|^)(https?://[^\s<>\"]*)", body)
    return [run.rstrip(".,;:!?)]'") for run in runs]


def test_tracked_urls_are_the_links_of_the_bodies(read_sample, tmp_path) -> None:
    generate_sample(
        SampleOptions(lines=2_000, without=frozenset({"untracked_links", "unplaced_urls", "undocumented_types"})),
        tmp_path,
    )
    plain = read_sample(tmp_path)
    tracked: dict[tuple[str, str], Counter] = {}
    for row in plain.exports["tracked_urls"]:
        if row["type"] in {"1", "3", "6"}:
            per_part = tracked.setdefault((row["delivery_id"], row["content_part"]), Counter())
            per_part[row["source_url"]] += 1
            assert int(row["occurrence"]) == per_part[row["source_url"]] - 1
    bodies = {key: plain.body(key[0], {"html": "html", "text": "txt"}[key[1]]) for key in tracked}
    compared = {key: Counter(links_of(body, key[1])) for key, body in bodies.items() if body is not None}
    assert compared == {key: tracked[key] for key in compared}
    assert sum(body is None for body in bodies.values()) == 2  # both parts of the one that is not at hand
    assert len(compared) > 25


def test_bodies_disagree_with_the_tracked_urls_where_planted(sample) -> None:
    row = next(row for row in sample.exports["deliveries"] if row["label"] == "Winter sale")
    own = {
        one["source_url"]: one
        for one in sample.exports["tracked_urls"]
        if one["delivery_id"] == row["delivery_id"] and one["content_part"] == "html"
    }
    links = links_of(sample.body(row["delivery_id"], "html"), "html")
    assert [link for link in links if link not in own] == [
        "tel:+33123456789",
        "mailto:help@www.example?subject=Mail&body=Hello",
        "https://www.example/imprint?lang=en&from=mail",
        "#top",
    ]
    missing = {one["label"] for url, one in own.items() if url not in links and one["type"] in {"1", "3", "6"}}
    assert missing == {"Old landing page"}


def test_bodies_look_like_mails(sample) -> None:
    bodies = [path.read_text() for path in (sample.folder / "contents").glob("*.html")]
    for part in (
        "<!--[if mso]>",
        "<area ",
        "&amp;",
        "prefers-color-scheme",
        ',1" width="1"',
        "<map ",
        "display:none",
        "v:roundrect",
    ):
        assert any(part in body for body in bodies), part
    layouts = {re.sub(r"[-\d]+", "", html.unescape(body)) for body in bodies}
    assert len(layouts) >= 4
    comments = re.findall(r"<!--(.*?)-->", "".join(bodies), re.DOTALL)
    assert any("<a href" in comment for comment in comments)
