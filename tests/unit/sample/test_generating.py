"""The sample is the same every time, respects what is there, and planted.json says what is in it."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from message_tracking.errors import ConfigurationError, MessageTrackingError
from message_tracking.sample import WORKED_EXAMPLE, SampleOptions, generate_sample, lay_worked_example


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_same_options_write_the_same_bytes_and_touch_nothing(sample, options, tmp_path) -> None:
    generate_sample(options, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(sample.folder)
    before = times(sample.folder)
    told: list[int] = []
    generate_sample(options, sample.folder, told.append)
    assert times(sample.folder) == before
    assert sum(told) == options.lines


def test_campaigns_of_two_numbers_share_recipients_and_no_other_id(sample, options, tmp_path) -> None:
    generate_sample(replace(options, number=1), tmp_path)
    other = type(sample)(tmp_path)
    for table in ("deliveries", "messages", "tracked_urls", "exclusions"):
        ids, others = ({one.key(table, row)[0] for row in one.exports[table]} for one in (sample, other))
        assert len(ids) == len(others)
        assert not ids & others
    assert sample.exports["recipients"] == other.exports["recipients"]
    assert not {event.line[:19] for event in sample.events} & {event.line[:19] for event in other.events}


def test_an_unfinished_or_damaged_sample_is_completed(sample, options, tmp_path) -> None:
    folder = tmp_path / "campaign"
    generate_sample(options, folder)
    logs = sorted((folder / "logs").rglob("0x*"))
    logs[0].unlink()
    logs[1].write_bytes(b"damaged")
    (folder / "planted.json").write_text(json.dumps({"options": options.described(), "is_complete": False}))
    generate_sample(options, folder)
    assert contents(folder) == contents(sample.folder)


def test_another_seed_is_another_campaign(sample, options, tmp_path) -> None:
    generate_sample(replace(options, seed=8), tmp_path)
    assert not set(contents(tmp_path / "logs").values()) & set(contents(sample.folder / "logs").values())


@pytest.mark.parametrize(
    "changed",
    [{"seed": 8}, {"lines": 20_001}, {"servers": 2}, {"start": date(2026, 1, 4)}, {"without": frozenset({"seeds"})}],
)
def test_a_folder_with_another_sample_is_refused(sample, options, changed: dict[str, Any]) -> None:
    with pytest.raises(
        MessageTrackingError, match=r"(?s)holds a sample with other options: lines 20000, seed 7, .*--output"
    ) as e:
        generate_sample(replace(options, **changed), sample.folder)
    assert str(sample.folder) in str(e.value)


def test_a_folder_with_something_else_is_refused(options, tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(MessageTrackingError, match="is not empty and holds no sample"):
        generate_sample(options, tmp_path)
    assert contents(tmp_path) == {"mine.txt": b"mine"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": 0},
        {"seed": -1},
        {"deliveries": 0},
        {"servers": 63},
        {"gzip_share": 1.5},
        {"corrupted_share": -0.1},
        {"start": date.today() + timedelta(days=2)},  # noqa: DTZ011
    ],
)
def test_options_out_of_range(options, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="out of range"):
        replace(options, **wrong)


def test_a_trait_that_is_none(options) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)--without unicorns: there is no such trait.*--list-traits"):
        replace(options, without=frozenset({"unicorns", "seeds"}))


@pytest.mark.parametrize("count", [1, 2, 50, 200])
def test_the_smallest_samples_have_their_lines(read_sample, tmp_path, count: int) -> None:
    planted = generate_sample(SampleOptions(lines=count, deliveries=1, servers=5), tmp_path)
    small = read_sample(tmp_path)
    assert planted["line_count"] == count == sum(map(len, small.lines.values()))


def test_every_figure_of_planted_json_is_true(sample) -> None:
    check_figures(sample)
    assert sample.planted["duplicate_open_count"] > 100
    assert sample.planted["withdrawn_event_count"] > 100


def test_every_figure_of_a_plain_sample_is_true(read_sample, options, tmp_path) -> None:
    planted = generate_sample(replace(options, lines=9_000).plain(), tmp_path)
    plain = read_sample(tmp_path)
    check_figures(plain)
    assert set(planted["traits"].values()) == {0}
    assert planted["good_line_count"] == planted["line_count"] == 9_000
    assert set(map(int, planted["deliveries"])) == {found.delivery_id for found in plain.events}
    assert {found.message_id for found in plain.events} <= plain.delivery_of_message.keys()
    assert {found.url_id for found in plain.events} <= {1, *plain.url_rows}
    assert all(plain.body(id_, part) for id_ in planted["deliveries"] for part in ("html", "txt"))
    assert len(plain.exports["recipients"]) >= len({row["recipient_id"] for row in plain.exports["messages"]})


def check_figures(sample: Any) -> None:
    """Count everything that planted.json says anew."""
    planted = sample.planted
    by_delivery = defaultdict(list)
    for found in sample.events:
        by_delivery[found.delivery_id].append(found)
    assert planted["good_line_count"] == len(sample.events)
    assert Counter(planted["events"]) == Counter(map(sample.kind, sample.events))
    clicks = Counter(
        found.url_id
        for found in sample.events
        if (row := sample.url_rows.get(found.url_id)) and int(row["delivery_id"]) == found.delivery_id
    )
    assert planted["url_clicks"] == {str(url_id): clicks[url_id] for url_id in sample.url_rows}
    assert set(by_delivery) <= set(map(int, planted["deliveries"]))
    for delivery_id, figures in planted["deliveries"].items():
        assert figures == figures_of(sample, int(delivery_id), by_delivery[int(delivery_id)])
    assert planted["duplicate_open_count"] == sum(row["duplicate_open_count"] for row in planted["deliveries"].values())
    assert planted["withdrawn_event_count"] == sum(map(withdrawals(sample), sample.events))


def withdrawals(sample: Any) -> Callable[[Any], bool]:
    """Tell whether an event's recipient refused tracking when it happened (design §5)."""
    recipients = {(row["delivery_id"], row["message_id"]): row["recipient_id"] for row in sample.exports["messages"]}
    said = defaultdict(list)
    for row in sample.exports["consents"]:
        if row["purpose"] == "tracking":
            at = datetime.fromisoformat(row["effective_at"]).replace(tzinfo=None)
            said[row["recipient_id"]].append((at, row["is_allowed"] == "true"))

    def is_withdrawn(found: Any) -> bool:
        recipient = recipients.get((str(found.delivery_id), str(found.message_id)))
        before = [one for one in said[recipient] if one[0] <= found.at]
        return bool(before) and not max(before)[1]

    return is_withdrawn


def figures_of(sample: Any, delivery_id: int, events: list[Any]) -> dict[str, Any]:
    """The figures of a delivery by loops over what was read (design §4.3, §5)."""
    row = next((row for row in sample.exports["deliveries"] if int(row["delivery_id"]) == delivery_id), None)
    messages = [row for row in sample.exports["messages"] if int(row["delivery_id"]) == delivery_id]
    kinds = Counter(map(sample.kind, events))
    clicks = [found for found in events if sample.kind(found) == "click"]
    kept: dict[int, datetime] = {}
    duplicates = 0
    for found in events:
        if found.url_id == 1 and found.message_id != 0:
            if found.message_id in kept and found.at - kept[found.message_id] < timedelta(seconds=60):
                duplicates += 1
            else:
                kept[found.message_id] = found.at
    amounts, articles = (
        zip(*(counted(found.parameters) for found in events if sample.kind(found) == "transaction"), strict=True)
        if kinds["transaction"]
        else ((), ())
    )
    return {
        "is_described": row is not None,
        "is_proof": row is not None and row["is_proof"] == "true",
        "message_count": len(messages),
        "exclusion_count": sum(int(row["delivery_id"]) == delivery_id for row in sample.exports["exclusions"]),
        "success_count": sum(row["status"] == "1" and row["is_seed"] == "false" for row in messages),
        **{
            f"{kind}_count": kinds[kind]
            for kind in ["open", "click", "opt_out", "web", "transaction", "mirror_page", "unknown"]
        },
        "duplicate_open_count": duplicates,
        "recipient_open_count": len({found.message_id for found in events} - {0}),
        "recipient_click_count": len({found.message_id for found in clicks} - {0}),
        "person_click_count": len({found.uuid.lower() for found in clicks if found.uuid}),
        "article_count": sum(articles),
        "transaction_amount": f"{sum(amounts, Decimal(0)):.2f}",
    }


def counted(parameters: str) -> tuple[Decimal, int]:
    """Amount and articles of a transaction: exact names, first occurrence, after URL decoding, plain numbers only."""
    first = dict(reversed(parse_qsl(parameters, keep_blank_values=True)))
    amount, article = first.get("amount", ""), first.get("article", "")
    whole, point, fraction = amount.partition(".")
    is_amount = whole.isdecimal() and len(whole) <= 15 and (not point or fraction.isdecimal())
    return Decimal(amount) if is_amount else Decimal(0), int(article) if article.isdecimal() and len(
        article
    ) <= 9 else 0


def test_amounts_come_in_every_form_and_on_visited_pages(sample) -> None:
    found: dict[str, set[str]] = {"web": set(), "transaction": set()}
    for one in sample.events:
        if (kind := sample.kind(one)) in found:
            found[kind].add(one.parameters)
    assert found["web"] == {"", "amount=19.99"}
    odd = {
        "",
        "amount=19.99",
        "article=3",
        "amount=1e5&article=1",
        "amount=12%2E50&%61rticle=2",
        "amount=-5.00&article=-1",
    }
    assert found["transaction"] > odd


def test_nothing_happens_before_the_send_or_in_the_future(sample) -> None:
    sent_at = {
        int(row["message_id"]): datetime.fromisoformat(row["event_at"][:-1]) for row in sample.exports["messages"]
    }
    contact_at = {int(row["delivery_id"]): row["contact_at"] for row in sample.exports["deliveries"]}
    for found in sample.events:
        assert found.at < datetime(2026, 1, 5)  # noqa: DTZ001
        if sample.delivery_of_message.get(found.message_id) == found.delivery_id:
            assert sent_at[found.message_id] < found.at
        elif contact_at.get(found.delivery_id):
            assert datetime.fromisoformat(contact_at[found.delivery_id][:-1]) < found.at
    assert len({found.at.date() for found in sample.events}) > 14
    for rows in sample.rows.values():
        assert all(row.get("modified_at", "") <= "2026-01-05T00:00:00Z" for _, row in rows)


def test_readers_are_of_many_kinds(sample) -> None:
    assert len({found.agent for found in sample.events}) > 150
    assert "" in {found.agent for found in sample.events}
    assert len({found.address for found in sample.events}) > 1_000
    assert any(":" in found.address for found in sample.events)
    assert {found.letter for found in sample.events} == {"h", "t", "s"}
    part = {"h": "html", "t": "text", "s": "text"}
    for found in sample.events:
        if found.url_id == 1:
            assert found.letter == "h"
        elif sample.kind(found) in {"click", "opt_out", "mirror_page"}:
            assert sample.url_rows[found.url_id]["content_part"] == part[found.letter]


def test_the_share_of_foreign_links_lets_the_gate_publish(sample) -> None:
    others = [found for found in sample.events if found.url_id != 1]
    is_foreign = [
        sample.delivery_of_message.get(found.message_id, found.delivery_id) != found.delivery_id
        or int(sample.url_rows.get(found.url_id, {}).get("delivery_id", found.delivery_id)) != found.delivery_id
        for found in others
    ]
    assert 0 < sum(is_foreign) < 0.003 * len(others)
    is_unknown = [
        found.message_id not in sample.delivery_of_message
        or (found.url_id != 1 and found.url_id not in sample.url_rows)
        for found in sample.events
    ]
    assert 0 < sum(is_unknown) < 0.01 * len(sample.events)


def test_the_worked_example_is_laid_once(tmp_path) -> None:
    lay_worked_example(tmp_path)
    expected = {name: content for name, content in contents(WORKED_EXAMPLE).items() if "/" in name}
    assert contents(tmp_path) == expected
    assert len(expected) == 6
    before = times(tmp_path)
    lay_worked_example(tmp_path)
    assert times(tmp_path) == before
