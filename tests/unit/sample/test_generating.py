"""The sample is the same every time, its lines are what planted.json says, and it respects what is there."""

import csv
import gzip
import json
import re
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import pytest

from message_tracking.errors import ConfigurationError, MessageTrackingError
from message_tracking.loading.reference_tables import REFERENCE_TABLES
from message_tracking.sample import WORKED_EXAMPLE, SampleOptions, generate_sample, lay_worked_example, reactions
from message_tracking.sample.lines import CORRUPTIONS, KINDS_WITHOUT_ID

OPTIONS = SampleOptions(lines=20_000, seed=7, corrupted_share=0.01)
PRINTABLE = r"[^\x00-\x1F\x7F-\x9F]*"
# The portable form of spec §2.2.
GRAMMAR = re.compile(
    r"[0-9A-Za-z]{2}x[0-9A-Za-z]*\t[0-9T:.\-]*\t[0-9A-Fa-f]*\t[0-9A-Fa-f]*\t[0-9A-Fa-f]*\t[0-9A-Za-z]*\t[0-9A-Za-z\-]*"
    rf"\t{PRINTABLE}\t{PRINTABLE}\t{PRINTABLE}"
    rf"\t(?:[0-9A-Fa-f.:]*|[0-9A-Fa-f.:]*\t{PRINTABLE}|[0-9A-Fa-f.:]*,{PRINTABLE})"
)
KINDS = {"1": "click", "3": "opt_out", "4": "web", "5": "transaction", "6": "mirror_page"}


class Event(NamedTuple):
    """One good line."""

    at: datetime
    message_id: int
    delivery_id: int
    url_id: int
    uuid: str
    letter: str
    parameters: str
    agent: str
    address: str


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Any:
    """Several chunks, so that what crosses their borders is looked at, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reactions, "_CHUNK_LINES", 3_000)
        yield


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "campaign"
    generate_sample(OPTIONS, folder)
    return folder


@pytest.fixture(scope="module")
def planted(sample: Path) -> dict[str, Any]:
    return dict(json.loads((sample / "planted.json").read_text()))


@pytest.fixture(scope="module")
def lines(sample: Path) -> dict[str, list[str]]:
    """All lines by server, in the order of the files."""
    return {
        folder.name: [line for path in sorted(folder.iterdir()) for line in lines_of(path)]
        for folder in sorted((sample / "logs").iterdir())
    }


@pytest.fixture(scope="module")
def exports(sample: Path) -> dict[str, list[dict[str, str]]]:
    found = {}
    for table in REFERENCE_TABLES:
        with (sample / "exports" / f"{table.name}.csv").open(newline="") as file:
            found[table.name] = list(csv.DictReader(file))
    return found


@pytest.fixture(scope="module")
def events(lines: dict[str, list[str]]) -> list[Event]:
    """The good lines of all servers, in the order of time."""
    return sorted(event(line) for server in lines.values() for line in server if GRAMMAR.fullmatch(line))


def lines_of(path: Path) -> list[str]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert content.endswith(b"\n")
    return content.decode()[:-1].split("\n")


def event(line: str) -> Event:
    fields = line.split("\t")
    message_id, delivery_id, url_id = (int(field, 16) - (int(field, 16) >> 31 << 32) for field in fields[2:5])
    return Event(datetime.fromisoformat(fields[1]), message_id, delivery_id, url_id, *fields[6:11])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_same_options_write_the_same_bytes_and_touch_nothing(sample: Path, tmp_path: Path) -> None:
    generate_sample(OPTIONS, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(sample)
    before = times(sample)
    told: list[int] = []
    generate_sample(OPTIONS, sample, told.append)
    assert {path: changed for path, changed in times(sample).items() if path.is_file()} == {
        path: changed for path, changed in before.items() if path.is_file()
    }
    assert sum(told) == OPTIONS.lines


def test_an_unfinished_or_damaged_sample_is_completed(sample: Path, tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    generate_sample(OPTIONS, folder)
    logs = sorted((folder / "logs").rglob("0x*"))
    logs[0].unlink()
    logs[1].write_bytes(b"damaged")
    (folder / "planted.json").write_text(json.dumps({"options": OPTIONS.described(), "is_complete": False}))
    generate_sample(OPTIONS, folder)
    assert contents(folder) == contents(sample)


def test_another_seed_is_another_campaign(sample: Path, tmp_path: Path) -> None:
    generate_sample(replace(OPTIONS, seed=8), tmp_path)
    assert not set(contents(tmp_path / "logs").values()) & set(contents(sample / "logs").values())


@pytest.mark.parametrize("changed", [{"seed": 8}, {"lines": 20_001}, {"servers": 2}, {"start": date(2026, 1, 4)}])
def test_a_folder_with_another_sample_is_refused(sample: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(
        MessageTrackingError, match=r"(?s)holds a sample with other options: lines 20000, seed 7, .*--output"
    ) as e:
        generate_sample(replace(OPTIONS, **changed), sample)
    assert str(sample) in str(e.value)


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(MessageTrackingError, match="is not empty and holds no sample"):
        generate_sample(OPTIONS, tmp_path)
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
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="out of range"):
        replace(OPTIONS, **wrong)


@pytest.mark.parametrize("count", [1, 2, 50])
def test_the_smallest_samples_have_their_lines(tmp_path: Path, count: int) -> None:
    planted = generate_sample(SampleOptions(lines=count, deliveries=1, servers=5), tmp_path)
    assert planted["line_count"] == count
    assert sum(len(lines_of(path)) for path in tmp_path.rglob("0x*")) == count


def test_files_are_named_by_their_first_line_and_ids_are_consecutive(
    sample: Path, lines: dict[str, list[str]], planted: dict[str, Any]
) -> None:
    for folder in sorted((sample / "logs").iterdir()):
        described = planted["servers"][folder.name]
        for path in folder.iterdir():
            assert re.fullmatch(r"0x[0-9A-F]{16}\.log(\.gz)?", path.name)
            assert lines_of(path)[0][1:19] == path.name[:18]
        first = int(described["first_id"][1:], 16)
        for number, line in enumerate(lines[folder.name]):
            if line[:1] == described["prefix"] and line[1:3] == "0x":
                assert line.split("\t")[0] == f"{described['prefix']}0x{first + number:016X}"
        files = list(folder.iterdir())
        assert {len(lines_of(path)) for path in sorted(files)[:-1]} <= {4096, 8192}
        assert described["file_count"] == len(files)
        assert described["gzip_file_count"] == sum(path.suffix == ".gz" for path in files)
        assert described["line_count"] == len(lines[folder.name])
        assert described["last_id"] == f"{described['prefix']}0x{first + described['line_count'] - 1:016X}"
    assert len({server["prefix"] for server in planted["servers"].values()}) == OPTIONS.servers
    assert 0 < sum(server["gzip_file_count"] for server in planted["servers"].values()) < len(list(sample.rglob("0x*")))


def test_every_line_is_good_or_corrupted_as_planted(lines: dict[str, list[str]], planted: dict[str, Any]) -> None:
    assert sum(map(len, lines.values())) == planted["line_count"] == OPTIONS.lines
    bad = {server: [line for line in found if not GRAMMAR.fullmatch(line)] for server, found in lines.items()}
    assert {server: len(found) for server, found in bad.items()} == {
        server: described["corrupted_line_count"] for server, described in planted["servers"].items()
    }
    kinds = Counter(kind for found in bad.values() for line in found for kind in CORRUPTIONS if is_of_kind(line, kind))
    assert kinds == planted["corrupted_lines"]
    assert set(planted["corrupted_lines"]) == set(CORRUPTIONS)
    assert all(planted["corrupted_lines"].values())
    assert sum(kinds.values()) == planted["corrupted_line_count"]
    without_id = {
        server: sum(not re.match(r"[0-9A-Za-z]0x[0-9A-F]{16}", line) for line in bad[server]) for server in bad
    }
    assert without_id == {server: described["gap_count"] for server, described in planted["servers"].items()}
    assert sum(without_id.values()) == sum(planted["corrupted_lines"][kind] for kind in KINDS_WITHOUT_ID)


def is_of_kind(line: str, kind: str) -> bool:
    fields = line.split("\t")
    looks = {
        "missing_field": len(fields) == 10,
        "no_prefix": line.startswith("0x"),
        "date_with_zone": len(fields) > 10 and fields[1].endswith("Z"),
        "signed_message_id": len(fields) > 10 and fields[2].startswith("-"),
        "delivery_id_not_hex": len(fields) > 10 and fields[3].endswith("g"),
        "hyphen_in_field_6": len(fields) > 10 and fields[5] == "0-0",
        "uuid_in_braces": len(fields) > 10 and fields[6].startswith("{"),
        "control_character": "\x1b" in line,
        "tab_in_user_agent": "Mozilla/5.0\t(" in line,
        "host_name_for_address": line.endswith("\tproxy.example.net"),
        "truncated": len(fields) == 6,
        "two_records_glued": len(fields) >= 20,
        "empty_line": not line,
        "uuid_for_message_id": len(fields) > 10 and len(fields[2]) == 36,
    }
    assert looks.keys() == CORRUPTIONS.keys()
    return looks[kind]


def test_events_are_in_the_order_of_time_and_never_too_late(
    lines: dict[str, list[str]], events: list[Event], exports: dict[str, list[dict[str, str]]], planted: dict[str, Any]
) -> None:
    for server, found in lines.items():
        at = [event(line).at for line in found if GRAMMAR.fullmatch(line)]
        assert at == sorted(at)
        assert planted["servers"][server]["newest_event_at"] == f"{max(at).isoformat(timespec='milliseconds')}Z"
    sent_at = {int(row["message_id"]): datetime.fromisoformat(row["event_at"][:-1]) for row in exports["messages"]}
    assert all(sent_at[found.message_id] < found.at < datetime(2026, 1, 5) for found in events)  # noqa: DTZ001
    assert len({found.at.date() for found in events}) > 14


def test_every_figure_of_planted_json_is_true(
    events: list[Event], exports: dict[str, list[dict[str, str]]], planted: dict[str, Any]
) -> None:
    kind_of = {int(row["url_id"]): KINDS[row["type"]] for row in exports["tracked_urls"]} | {1: "open"}
    by_delivery = defaultdict(list)
    for found in events:
        by_delivery[found.delivery_id].append(found)
    assert planted["good_line_count"] == len(events)
    assert planted["events"] == Counter(kind_of[found.url_id] for found in events)
    clicks = Counter(found.url_id for found in events if found.url_id != 1)
    assert {int(url): count for url, count in planted["url_clicks"].items() if count} == clicks
    for delivery_id, figures in planted["deliveries"].items():
        assert figures == figures_of(int(delivery_id), by_delivery[int(delivery_id)], kind_of, exports)
    assert planted["duplicate_open_count"] == sum(row["duplicate_open_count"] for row in planted["deliveries"].values())
    assert planted["duplicate_open_count"] > 100


def figures_of(
    delivery_id: int, events: list[Event], kind_of: dict[int, str], exports: dict[str, list[dict[str, str]]]
) -> dict[str, Any]:
    """The same figures by loops over what was read."""
    delivery = next(row for row in exports["deliveries"] if int(row["delivery_id"]) == delivery_id)
    messages = [row for row in exports["messages"] if int(row["delivery_id"]) == delivery_id]
    kinds = Counter(kind_of[found.url_id] for found in events)
    clicks = [found for found in events if kind_of[found.url_id] == "click"]
    kept: dict[int, datetime] = {}
    duplicates = 0
    for found in events:
        if found.url_id == 1:
            if found.message_id in kept and found.at - kept[found.message_id] < timedelta(seconds=60):
                duplicates += 1
            else:
                kept[found.message_id] = found.at
    transactions = [parse_qs(found.parameters) for found in events if kind_of[found.url_id] == "transaction"]
    return {
        "is_proof": delivery["is_proof"] == "true",
        "message_count": len(messages),
        "success_count": sum(row["status"] == "1" and row["is_seed"] == "false" for row in messages),
        **{f"{kind}_count": kinds[kind] for kind in ["open", *KINDS.values()]},
        "duplicate_open_count": duplicates,
        "recipient_open_count": len({found.message_id for found in events}),
        "recipient_click_count": len({found.message_id for found in clicks}),
        "person_click_count": len({found.uuid.lower() for found in clicks if found.uuid}),
        "article_count": sum(int(parameters["article"][0]) for parameters in transactions),
        "transaction_amount": str(
            sum((Decimal(parameters["amount"][0]) for parameters in transactions), Decimal("0.00"))
        ),
    }


def test_every_event_belongs_to_a_message_and_a_url_of_its_delivery(
    events: list[Event], exports: dict[str, list[dict[str, str]]]
) -> None:
    delivery_of_message = {int(row["message_id"]): int(row["delivery_id"]) for row in exports["messages"]}
    delivery_of_url = {int(row["url_id"]): int(row["delivery_id"]) for row in exports["tracked_urls"]}
    part_of_url = {int(row["url_id"]): row["content_part"] for row in exports["tracked_urls"]}
    type_of_url = {int(row["url_id"]): row["type"] for row in exports["tracked_urls"]}
    for found in events:
        assert delivery_of_message[found.message_id] == found.delivery_id
        if found.url_id == 1:
            assert found.letter == "h"
        else:
            assert delivery_of_url[found.url_id] == found.delivery_id
            if type_of_url[found.url_id] in {"1", "3", "6"}:
                assert part_of_url[found.url_id] == {"h": "html", "t": "text"}[found.letter]


def test_the_campaign_has_what_reports_need(events: list[Event], exports: dict[str, list[dict[str, str]]]) -> None:
    assert {row["status"] for row in exports["messages"]} == {"1", "2", "6", "7"}
    assert {row["failure_reason"] for row in exports["messages"]} >= {"0", "1", "5", "8"}
    assert {row["is_seed"] for row in exports["messages"]} == {"true", "false"}
    assert sum(row["is_proof"] == "true" for row in exports["deliveries"]) == 1
    assert sum(row["is_model"] == "true" for row in exports["deliveries"]) == 1
    assert min(int(row["message_id"]) for row in exports["messages"]) < 0
    assert len({(row["delivery_id"], row["recipient_id"]) for row in exports["messages"]}) == len(exports["messages"])
    domains = {row["recipient_id"]: row["email"].partition("@")[2] for row in exports["recipients"]}
    assert all(domains[row["recipient_id"]] == row["address_domain"] for row in exports["messages"])
    assert {row["email_format"] for row in exports["recipients"]} == {"1", "2"}
    assert len({found.agent for found in events}) > 150
    assert "" in {found.agent for found in events}
    assert any(":" in found.address for found in events)
    assert any("," in found.address for found in events)
    assert len({found.address for found in events}) > 1_000
    assert {found.letter for found in events} == {"h", "t"}
    assert any(found.uuid != found.uuid.lower() for found in events)
    by_uuid = Counter((found.message_id, found.uuid.lower()) for found in events if found.uuid)
    assert len(by_uuid) > len({message_id for message_id, _ in by_uuid})


def test_the_exports_have_the_columns_that_the_loader_reads(exports: dict[str, list[dict[str, str]]]) -> None:
    for table in REFERENCE_TABLES:
        assert list(exports[table.name][0]) == list(table.columns)


def test_text_counts_are_those_of_the_messages(exports: dict[str, list[dict[str, str]]]) -> None:
    for row in exports["deliveries"]:
        count = sum(message["delivery_id"] == row["delivery_id"] for message in exports["messages"])
        assert int(row["to_deliver_count"]) == count
        assert int(row["target_count"]) - int(row["rejected_count"]) == count
        assert int(row["text_count"]) == count // 10 + (count % 10 > 7)


def test_the_bodies_hold_the_links(sample: Path, exports: dict[str, list[dict[str, str]]]) -> None:
    for row in exports["tracked_urls"]:
        if row["type"] in {"1", "3", "6"}:
            suffix = {"html": "html", "text": "txt"}[row["content_part"]]
            assert row["source_url"] in (sample / "contents" / f"{row['delivery_id']}.{suffix}").read_text()


def test_the_worked_example_is_laid_once(tmp_path: Path) -> None:
    lay_worked_example(tmp_path)
    expected = {name: content for name, content in contents(WORKED_EXAMPLE).items() if "/" in name}
    assert contents(tmp_path) == expected
    assert len(expected) == 6
    before = times(tmp_path)
    lay_worked_example(tmp_path)
    assert times(tmp_path) == before
