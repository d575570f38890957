"""Every trait is in the sample as often as planted.json says, and not at all where it is left out."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from message_tracking.sample import SampleOptions, generate_sample
from message_tracking.sample.traits import TRAITS

NETWORKS = {"email", "facebook", "twitter", "google", "linkedin", "delicious", "digg"}
LATE, NOT_AT_HAND, HTML_ONLY, SILENT = "Described late", "Body not at hand", "HTML only", "Nobody reacted"


def deliveries(sample: Any, **wanted: str) -> int:
    rows = sample.exports["deliveries"]
    return sum(all(row[column] == value for column, value in wanted.items()) for row in rows)


def messages(sample: Any, shows: Callable[[dict[str, str]], bool]) -> int:
    return sum(map(shows, sample.exports["messages"]))


def urls(sample: Any, shows: Callable[[dict[str, str]], bool]) -> int:
    return sum(map(shows, sample.exports["tracked_urls"]))


def events(sample: Any, shows: Callable[[Any], Any]) -> int:
    return sum(bool(shows(found)) for found in sample.events)


def with_body(sample: Any, part: str) -> set[str]:
    return {path.stem for path in (sample.folder / "contents").glob(f"*.{part}")}


def with_urls(sample: Any) -> set[str]:
    return {row["delivery_id"] for row in sample.exports["tracked_urls"]}


def late_lines(sample: Any) -> int:
    """Lines that stand behind one that happened hours later."""
    count = 0
    for lines in sample.lines.values():
        at = [found.at for line in lines if (found := sample.event(line))]
        newest = at[0]
        for one in at:
            newest = max(newest, one)
            count += newest - one > timedelta(minutes=30)
    return count


def steps_between_opens(sample: Any) -> Counter[timedelta]:
    last: dict[tuple[int, int], Any] = {}
    steps: Counter[timedelta] = Counter()
    for found in sample.events:
        if found.url_id == 1:
            if (known := last.get((found.delivery_id, found.message_id))) is not None:
                steps[found.at - known] += 1
            last[found.delivery_id, found.message_id] = found.at
    return steps


def edges(sample: Any) -> int:
    steps = steps_between_opens(sample)
    return min(steps[timedelta(seconds=seconds)] for seconds in (59.9, 60, 60.1))


def is_odd(sample: Any, found: Any) -> bool:
    kind = sample.kind(found)
    plain = r"amount=\d+\.\d\d&article=\d" if kind == "transaction" else ""
    return kind in {"transaction", "web"} and not re.fullmatch(plain, found.parameters)


def missing_ids(sample: Any) -> int:
    """Ids that neither a line nor a line whose id cannot be read has."""
    count = 0
    for server, lines in sample.lines.items():
        described = sample.planted["servers"][server]
        count += int(described["last_id"][1:], 16) - int(described["first_id"][1:], 16) + 1 - len(lines)
    return count


def foreign(sample: Any, column: str, owners: dict[int, int]) -> int:
    return events(sample, lambda found: owners.get(getattr(found, column), found.delivery_id) != found.delivery_id)


def uuids_per_message(sample: Any) -> list[int]:
    """UUIDs of people: those that come from no network of machines."""
    found_uuids = defaultdict(set)
    for found in sample.events:
        is_own = not found.comes_from
        if found.uuid and is_own and found.message_id in sample.delivery_of_message:
            found_uuids[found.delivery_id, found.message_id].add(found.uuid.lower())
    return [len(uuids) for uuids in found_uuids.values()]


def links_within_seconds(sample: Any) -> int:
    """Clicks of people on another link of the same message within seconds."""
    last: dict[tuple[int, str], Any] = {}
    count = 0
    for found in sample.events:
        if sample.kind(found) == "click" and found.address and not found.comes_from:
            known = last.get((found.message_id, found.address))
            is_soon = known is not None and found.at - known.at < timedelta(seconds=13)
            count += is_soon and found.url_id != known.url_id
            last[found.message_id, found.address] = found
    return count


def described(sample: Any) -> set[int]:
    return {int(row["delivery_id"]) for row in sample.exports["deliveries"]}


def without_events(sample: Any) -> int:
    active = {found.delivery_id for found in sample.events}
    return sum(row["label"] == SILENT and int(row["delivery_id"]) not in active for row in sample.exports["deliveries"])


def rows_in_second_file_only(sample: Any) -> int:
    first = {row["message_id"] for suffix, row in sample.rows["messages"] if suffix == ".csv"}
    return sum(row["message_id"] not in first for row in sample.exports["messages"])


def repeated_lines(sample: Any) -> int:
    return sum(map(len, [line for files in sample.files.values() for line in files.values()])) - sum(
        map(len, sample.lines.values())
    )


def missing_in_body(sample: Any) -> int:
    """URLs of the body's part that the body at hand does not hold."""
    return urls(
        sample,
        lambda row: (
            row["type"] == "1"
            and (body := sample.body(row["delivery_id"], {"html": "html", "text": "txt"}[row["content_part"]]))
            is not None
            and row["source_url"].replace("&", "&amp;" if row["content_part"] == "html" else "&") not in body
        ),
    )


COUNTS: dict[str, Callable[[Any], int]] = {
    "proofs": lambda s: deliveries(s, is_proof="true"),
    "templates": lambda s: deliveries(s, is_model="true"),
    "sms": lambda s: deliveries(s, channel="1"),
    "direct_mail": lambda s: deliveries(s, channel="3"),
    "null_typologies": lambda s: deliveries(s, typology_id=""),
    "undated_deliveries": lambda s: deliveries(s, contact_at="", is_model="false"),
    "null_counts": lambda s: deliveries(s, to_deliver_count="", text_count="", target_count=""),
    "text_only_deliveries": lambda s: sum(
        row["text_count"] == row["to_deliver_count"] != "0" for row in s.exports["deliveries"] if row["text_count"]
    ),
    "silent_deliveries": without_events,
    "undescribed_deliveries": lambda s: len({found.delivery_id for found in s.events} - described(s)),
    "negative_ids": lambda s: sum(delivery_id < 0 for delivery_id in described(s)),
    "corrected_references": lambda s: sum(len(s.rows[table]) - len(s.exports[table]) for table in s.rows),
    "exclusions": lambda s: len(s.exports["exclusions"]),
    "consents": lambda s: len(s.exports["consents"]),
    "seeds": lambda s: messages(s, lambda row: row["is_seed"] == "true"),
    "domains": lambda s: messages(s, lambda row: row["address_domain"] != "gmail.com"),
    "complaints": lambda s: messages(s, lambda row: row["failure_reason"] == "8" and row["status"] == "2"),
    "unknown_statuses": lambda s: messages(s, lambda row: row["status"] not in {"1", "2", "6", "7"}),
    "opt_outs": lambda s: urls(s, lambda row: row["type"] == "3"),
    "mirror_pages": lambda s: urls(s, lambda row: row["type"] == "6"),
    "web_pages": lambda s: urls(s, lambda row: row["type"] == "4"),
    "transactions": lambda s: urls(s, lambda row: row["type"] == "5"),
    "sharing": lambda s: urls(s, lambda row: row["category"] in NETWORKS),
    "shared_labels": lambda s: urls(s, lambda row: row["label"] == "Shop" and "/sale?" not in row["source_url"]),
    "repeated_links": lambda s: urls(s, lambda row: row["occurrence"] == "1"),
    "empty_labels": lambda s: urls(s, lambda row: row["label"] == ""),
    "empty_categories": lambda s: urls(s, lambda row: row["category"] == "" and row["type"] == "1"),
    "offers": lambda s: urls(s, lambda row: row["offer_id"] != ""),
    "undocumented_types": lambda s: urls(s, lambda row: row["type"] in {"0", "7", "10"}),
    "open_typed_urls": lambda s: urls(s, lambda row: row["type"] == "2" and row["url_id"] != "1"),
    "lure_links": lambda s: urls(s, lambda row: row["category"] == "lure"),
    "untracked_links": lambda s: sum("imprint?lang=en" in s.body(id_, part) for part in ("html", "txt") for id_ in with_body(s, part)),
    "html_only_bodies": lambda s: sum(
        row["label"] == HTML_ONLY and row["delivery_id"] in with_body(s, "html") - with_body(s, "txt")
        for row in s.exports["deliveries"]
    ),
    "odd_parameters": lambda s: events(s, lambda found: is_odd(s, found)),
    "uuid_cases": lambda s: events(s, lambda found: found.uuid != found.uuid.lower()),
    "foreign_messages": lambda s: foreign(s, "message_id", s.delivery_of_message),
    "unknown_messages": lambda s: events(s, lambda found: found.message_id and found.message_id not in s.delivery_of_message),
    "zero_messages": lambda s: events(s, lambda found: found.message_id == 0),
    "foreign_urls": lambda s: foreign(s, "url_id", {url_id: int(row["delivery_id"]) for url_id, row in s.url_rows.items()}),
    "unknown_urls": lambda s: events(s, lambda found: found.url_id != 1 and found.url_id not in s.url_rows),
    "corrupted_lines": lambda s: sum(s.event(line) is None for lines in s.lines.values() for line in lines),
    "proxy_chains": lambda s: events(s, lambda found: re.search("[,\t]", found.address)),
    "crlf_lines": lambda s: events(s, lambda found: found.line.endswith(b"\r")),
    "non_utf8_bytes": lambda s: events(s, lambda found: "\ufffd" in found.agent),
    "prefetches": lambda s: events(s, lambda found: found.agent == "Mozilla/5.0" and found.comes_from == "relay"),
    "image_proxies": lambda s: events(s, lambda found: found.comes_from in {"google", "yahoo", "outlook"}),
    "scanners": lambda s: len(s.of_actor("scanner")),
    "isolation_browsers": lambda s: sum(found.comes_from in {"proofpoint", "mimecast"} for found in s.of_actor("person")),
    "id_gaps": missing_ids,
}  # fmt: skip
"""How often a sample shows a trait, counted from its files: as planted.json must say."""

SIGNS: dict[str, Callable[[Any], int]] = {
    "typologies": lambda s: deliveries(s, typology_id="2"),
    "late_references": rows_in_second_file_only,
    "text_messages": lambda s: sum(
        int(row["text_count"]) not in {0, int(row["to_deliver_count"])} for row in s.exports["deliveries"] if row["text_count"]
    ),
    "unplaced_urls": missing_in_body,
    "missing_bodies": lambda s: len(with_urls(s) - with_body(s, "html") - with_body(s, "txt")),
    "forwards": lambda s: sum(count > 2 for count in uuids_per_message(s)),
    "cookieless_readers": lambda s: sum(count > 3 for count in uuids_per_message(s)),
    "repeated_reactions": lambda s: sum(
        count for step, count in steps_between_opens(s).items() if step < timedelta(seconds=20)
    ) // 10,
    "edge_opens": edges,
    "late_events": late_lines,
    "fast_readers": links_within_seconds,
    "repeated_files": repeated_lines,
    "unfinished_lines": lambda s: sum(not path.read_bytes().endswith(b"\n") for path in s.folder.rglob("0x*.log")),
}  # fmt: skip
"""What shows that a trait is there, where not each planted instance can be told from the files."""


def test_each_trait_is_looked_at() -> None:
    assert COUNTS.keys() | SIGNS.keys() == TRAITS.keys()
    assert not COUNTS.keys() & SIGNS.keys()


@pytest.mark.parametrize("trait", COUNTS)
def test_a_trait_is_there_as_often_as_planted(sample, trait: str) -> None:
    assert COUNTS[trait](sample) == sample.planted["traits"][trait] > 0


@pytest.mark.parametrize("trait", SIGNS)
def test_a_trait_shows(sample, trait: str) -> None:
    assert SIGNS[trait](sample) > 0
    assert sample.planted["traits"][trait] > 0


@pytest.mark.parametrize("trait", TRAITS)
def test_a_trait_can_be_left_out(read_sample, tmp_path, trait: str) -> None:
    # Both make new UUIDs for one message.
    also = {"forwards": {"cookieless_readers"}}.get(trait, set())
    options = SampleOptions(lines=6_000, without=frozenset({trait} | also), actors_file=True)
    generate_sample(options, tmp_path)
    other = read_sample(tmp_path)
    assert other.planted["traits"][trait] == 0
    assert (COUNTS | SIGNS)[trait](other) == 0
    assert sum(map(len, other.lines.values())) == options.lines


def test_without_any_trait_there_is_a_plain_sample(read_sample, tmp_path) -> None:
    generate_sample(SampleOptions(lines=6_000, without=frozenset(TRAITS)), tmp_path)
    plain = read_sample(tmp_path)
    assert set(plain.planted["traits"].values()) == {0}
    assert {name: shows(plain) for name, shows in (COUNTS | SIGNS).items() if shows(plain)} == {}
    assert {sample_kind for sample_kind, count in plain.planted["events"].items() if count} == {"open", "click"}


def test_a_small_sample_plants_what_fits(tmp_path) -> None:
    planted = generate_sample(SampleOptions(lines=200, deliveries=3), tmp_path)
    assert planted["line_count"] == 200
    assert planted["traits"]["id_gaps"] == planted["traits"]["foreign_messages"] == 0
    missing = {trait for trait, count in planted["traits"].items() if not count}
    assert len(missing) < 15
