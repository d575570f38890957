"""Tracking logs into the warehouse: every line once, whatever happens to the files and to the loader."""

import gzip
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.warehouse.conftest import folder_source

from message_tracking.errors import HeldError
from message_tracking.loading.tracking_logs import load_tracking_logs
from message_tracking.sources import Source
from message_tracking.transports.opening import open_source
from message_tracking.warehouse import fetch_all

START = datetime(2026, 9, 30, 23, 0, tzinfo=UTC)
GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"
FILE = "0x00000000000A0000.log"
OTHER_FILE = "0x00000000000A1000.log"


def log_line(counter: int, prefix: str = "5", **fields: str) -> str:
    """One line; its time, ids and user agent follow from its counter."""
    at = START + timedelta(milliseconds=counter * 37 % 10_000_000)
    parts = [
        f"{prefix}0x{counter:016X}",
        f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}",
        f"{0x1F000000 + counter % 5000:x}",
        "1aeab4b6",
        "1" if counter % 3 else "1af77020",
        "0",
        "" if counter % 3 else f"{counter % 977:08x}-4ab7-4ce4-a763-3b82dda6d881",
        "h",
        "",
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{counter % 40 + 100}.0.0.0",
        f"203.0.113.{counter % 250}",
    ]
    for name, value in fields.items():
        parts[int(name[1:]) - 1] = value
    return "\t".join(parts) + "\n"


def log_text(counters, prefix: str = "5") -> bytes:
    return "".join(log_line(counter, prefix) for counter in counters).encode()


class Landing:
    """A source's folder, and what the warehouse has of it."""

    def __init__(self, warehouse, folder: Path) -> None:
        self.warehouse = warehouse
        self.source = Source(name="campaign", kind="folder", path=folder)

    def write(self, data: bytes, name: str = FILE, server: str = "edge-a") -> Path:
        path = self.source.path / "logs" / server / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
        return path

    def load(self, server: str = "edge-a", **options):
        return load_tracking_logs(self.warehouse, open_source(self.source), server, **options)

    def query(self, text: str, *parameters):
        connection = self.warehouse.connect()
        try:
            return fetch_all(connection, text, parameters)
        finally:
            connection.close()

    def counters(self) -> list[int]:
        return [row[0] for row in self.query("select counter from raw.events order by prefix, counter")]

    def ledger(self, columns: str) -> list[tuple]:
        return self.query(f"select {columns} from ops.file_ledger order by load_id")

    def ids(self) -> list[tuple]:
        return self.query(
            "select server, prefix::text, loaded_ids::text, other_ids::text from ops.id_ranges order by server, prefix"
        )


@pytest.fixture
def landing(warehouse, tmp_path) -> Landing:
    return Landing(warehouse, tmp_path / "landing")


def counts(summary) -> tuple[int, int, int, int, int]:
    """Lines read, accepted, rejected, already loaded, erased; they must add up."""
    assert summary.line_count == summary.accepted + summary.rejected + summary.already_loaded + summary.erased
    return summary.line_count, summary.accepted, summary.rejected, summary.already_loaded, summary.erased


def test_an_event_as_it_is_stored(landing):
    line = log_line(
        0xFD7EC86, f2="2017-06-24T21:00:50.96", f3="9f506d71", f5="1", f7="", f9="amount=1", f11="203.0.113.7, 10.0.0.4"
    )
    landing.write(
        line.encode().replace(b"Mozilla", b"Mozill\xff") + log_line(0xFD7EC87).encode()[:-1] + b"\t10.0.0.4\n"
    )
    assert counts(landing.load()) == (2, 2, 0, 0, 0)
    rows = landing.query(
        """
        select occurred_at, counter, message_id, delivery_id, url_id, s.source, prefix::text, has_replaced_bytes, field_6,
            requester_uuid, requester_type, parameters, client_ip, field_12, user_agent, browser, load_id
        from raw.events inner join raw.user_agents using (user_agent_id) inner join ops.sources as s using (source_id)
        order by counter
        """
    )
    assert rows[0][:-3] == (
        datetime(2017, 6, 24, 21, 0, 50, 960_000, tzinfo=UTC),
        0xFD7EC86, 0x9F506D71 - 2**32, 0x1AEAB4B6, 1, "campaign", "5", True, "0", "", "h", "amount=1",
        "203.0.113.7, 10.0.0.4", None,
    )  # fmt: skip
    assert rows[0][-3].startswith("Mozill�/5.0")
    assert (rows[1][7], rows[1][13], rows[1][15]) == (False, "10.0.0.4", "Chrome")
    assert landing.ledger("load_id, replaced_byte_line_count, position is not null") == [(rows[0][-1], 1, True)]


@pytest.mark.parametrize("name", ["edge-a", "edge-b"])
def test_golden_logs(warehouse, name):
    golden = folder_source(GOLDEN / "second-case", "golden")
    first = load_tracking_logs(warehouse, golden, name)
    assert first.line_count == 379
    assert first.rejected == sum(first.reject_reasons.values()) > 0
    again = load_tracking_logs(warehouse, golden, name)
    assert counts(again) == (0, 0, 0, 0, 0)


def test_a_file_that_has_not_changed_is_not_read_again(landing):
    landing.write(log_text(range(100)))
    assert counts(landing.load()) == (100, 100, 0, 0, 0)
    again = landing.load()
    assert (again.files, counts(again)) == (0, (0, 0, 0, 0, 0))
    assert landing.ledger("line_count") == [(100,)]


def test_a_growing_file_continues_where_it_ended_and_its_unfinished_line_waits(landing):
    text = log_text(range(10))
    cut = len(log_text(range(6))) + 20
    path = landing.write(text[:cut])
    first = landing.load()
    assert (counts(first), first.unfinished) == ((6, 6, 0, 0, 0), 1)
    assert (landing.load().unfinished, len(landing.ledger("1"))) == (1, 1)
    path.write_bytes(text + b"not a line\n")
    second = landing.load()
    assert (counts(second), second.unfinished) == ((5, 4, 1, 0, 0), 0)
    assert landing.counters() == list(range(10))
    assert landing.ledger("from_offset, to_offset, file_size, line_count") == [
        (0, cut - 20, cut, 6),
        (cut - 20, len(text) + 11, len(text) + 11, 5),
    ]
    assert landing.query("select line_number, byte_offset, raw_line from raw.rejected_lines")[0][:2] == (11, len(text))


def test_a_file_of_which_nothing_is_finished_has_no_ledger_row(landing):
    landing.write(b"half a li")
    landing.write(b"", OTHER_FILE)
    landing.write(b"", "0x00000000000A2000.log.gz")
    assert landing.load().unfinished == 1
    assert landing.ledger("1") == []


def test_a_file_that_is_sent_again_under_another_name(landing):
    landing.write(log_text(range(100)))
    landing.load()
    landing.write(log_text(range(50, 150)), OTHER_FILE)
    landing.write(log_text(range(100)), "0x00000000000A2000.log.gz")
    assert counts(landing.load()) == (200, 50, 0, 150, 0)
    assert landing.counters() == list(range(150))
    assert landing.ids() == [("edge-a", "5", "{[0,150)}", "{[0,100)}")]


def test_a_line_that_is_there_twice(landing):
    landing.write(log_text([1, 2, 2, 1, 3]) + log_text([2], prefix="a") + log_text([2], prefix="A"))
    assert counts(landing.load()) == (7, 5, 0, 2, 0)
    assert [row[:3] for row in landing.ids()] == [
        ("edge-a", "5", "{[1,4)}"),
        ("edge-a", "A", "{[2,3)}"),
        ("edge-a", "a", "{[2,3)}"),
    ]


def test_two_servers_with_the_same_prefix(landing):
    landing.write(log_text(range(100)))
    landing.write(log_text(range(60, 120)), server="edge-b")
    assert counts(landing.load()) == (100, 100, 0, 0, 0)
    assert counts(landing.load("edge-b")) == (60, 20, 0, 40, 0)
    assert landing.counters() == list(range(120))
    assert landing.ids() == [
        ("edge-a", "5", "{[0,100)}", "{}"),
        ("edge-b", "5", "{[100,120)}", "{[60,100)}"),
    ]


def test_two_sources_do_not_share_ids(landing, tmp_path):
    landing.write(log_text(range(10)))
    landing.load()
    other = folder_source(landing.source.path, "other")
    assert counts(load_tracking_logs(landing.warehouse, other, "edge-a")) == (10, 10, 0, 0, 0)


def test_another_server_commits_the_same_ids_in_the_middle_of_a_load(landing):
    landing.write(log_text(range(1000)))
    landing.write(log_text([*range(500, 1000), 5000]), server="edge-b")
    others = []

    def load_the_other(count: int) -> None:
        if count and not others:
            others.append(landing.load("edge-b"))

    mine = landing.load(progress=load_the_other)
    assert counts(others[0]) == (501, 501, 0, 0, 0)
    assert counts(mine) == (1000, 500, 0, 500, 0)
    assert landing.counters() == [*range(1000), 5000]
    assert landing.ids() == [
        ("edge-a", "5", "{[0,500)}", "{[500,1000)}"),
        ("edge-b", "5", "{[500,1000),[5000,5001)}", "{}"),
    ]
    positions = landing.ledger("server, position, accepted_count, already_loaded_count")
    assert sorted(positions, key=lambda row: row[1]) == [("edge-b", 1, 501, 0), ("edge-a", 2, 500, 500)]


def test_a_file_that_was_replaced_by_a_shorter_one(landing):
    landing.write(log_text(range(100)))
    landing.load()
    landing.write(log_text(range(95, 105)))
    assert counts(landing.load()) == (10, 5, 0, 5, 0)
    assert landing.counters() == list(range(105))
    landing.write(log_text(range(95, 106)))
    assert counts(landing.load()) == (1, 1, 0, 0, 0)
    assert landing.ledger("from_offset") == [(0,), (0,), (len(log_text(range(95, 105))),)]


def test_a_file_that_was_replaced_by_a_longer_one(landing):
    landing.write(log_text(range(10)))
    landing.load()
    landing.write(log_text(range(20, 60)))
    assert counts(landing.load()) == (40, 40, 0, 0, 0)


def test_gzip(landing):
    text = log_text(range(10))
    path = landing.write(text[:-1], FILE + ".gz")
    assert counts(landing.load()) == (10, 10, 0, 0, 0)
    size = path.stat().st_size
    landing.write(log_text(range(25)), FILE + ".gz")
    assert counts(landing.load()) == (25, 15, 0, 10, 0)
    assert landing.ledger("from_offset, to_offset, file_size") == [
        (0, size, size),
        (0, path.stat().st_size, path.stat().st_size),
    ]
    assert landing.load().files == 0


def test_a_gzip_of_several_members(landing):
    path = landing.write(b"", FILE + ".gz")
    path.write_bytes(gzip.compress(log_text(range(5))) + gzip.compress(log_text(range(5, 9))))
    assert counts(landing.load()) == (9, 9, 0, 0, 0)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-100], lambda data: data[:200] + bytes(50) + data[250:], lambda _: b"no gzip"]
)
def test_a_damaged_gzip_fails_alone_and_counts_once_it_is_whole(landing, damage):
    path = landing.write(log_text(range(1000)), FILE + ".gz")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    landing.write(log_text(range(2000, 2010)), OTHER_FILE)
    for _ in range(2):
        summary = landing.load(block_size=1000)
        assert [Path(failed.file_name).name for failed in summary.failed_files] == [path.name]
        assert "gzip is truncated or corrupt" in summary.failed_files[0].reason
    assert landing.counters() == list(range(2000, 2010))
    assert landing.query("select file_name, line_count, position from ops.file_ledger where status = 'failed'") == [
        (path.name, 0, None)
    ]
    assert landing.ids() == [("edge-a", "5", "{[2000,2010)}", "{}")]
    path.write_bytes(whole)
    assert counts(landing.load()) == (1000, 1000, 0, 0, 0)
    assert landing.query("select count(*) from ops.file_ledger where status = 'failed'") == [(0,)]


def test_a_file_that_cannot_be_read_fails_alone(landing):
    landing.write(log_text(range(10)))
    vanishing = landing.write(log_text(range(10, 20)), OTHER_FILE)
    landing.write(log_text(range(20, 30)), "0x00000000000A2000.log")
    summary = landing.load(progress=lambda _: vanishing.unlink(missing_ok=True))
    assert counts(summary) == (20, 20, 0, 0, 0)
    assert [failed.file_name for failed in summary.failed_files] == [str(vanishing)]
    assert "cannot be read (No such file or directory)" in summary.failed_files[0].reason
    assert landing.ledger("file_name, status") == [
        (FILE, "loaded"),
        (OTHER_FILE, "failed"),
        ("0x00000000000A2000.log", "loaded"),
    ]


def test_a_line_without_end_fails(landing, monkeypatch):
    monkeypatch.setattr("message_tracking.loading.log_files.LONGEST_LINE", 1000)
    landing.write(log_text(range(5)) + b"x" * 5000)
    summary = landing.load(block_size=100)
    assert "is longer than" in summary.failed_files[0].reason
    assert landing.counters() == []


def test_servers_that_are_loaded_at_once(landing):
    servers = ["edge-a", "edge-b", "edge-c", "edge-d"]
    for place, name in enumerate(servers):
        landing.write(log_text(range(place * 500, place * 500 + 2000)), server=name)
        landing.write(log_text(range(place * 500, place * 500 + 2000), prefix="a"), OTHER_FILE, server=name)
    with ThreadPoolExecutor(len(servers)) as pool:
        summaries = list(pool.map(lambda name: landing.load(name, block_size=20_000), servers))
    assert sum(summary.line_count for summary in summaries) == 4 * 4000
    assert sum(summary.accepted for summary in summaries) == 2 * 3500
    assert landing.counters() == [*range(3500)] * 2
    owned = (
        "select prefix, sum(upper(r) - lower(r))::bigint from ops.id_ranges, unnest(loaded_ids) as r group by prefix"
    )
    assert sorted(landing.query(owned)) == [("5", 3500), ("a", 3500)]
    positions = sorted(position for (position,) in landing.ledger("position"))
    assert len(set(positions)) == 8


def with_rejects(accepted: int, rejected: int) -> bytes:
    return log_text(range(accepted)) + b"".join(log_line(10_000 + n, f3="g").encode() for n in range(rejected))


def test_too_many_rejects_fail_a_file_of_a_thousand_lines(landing):
    landing.write(with_rejects(799, 201))
    landing.write(log_text(range(5000, 5010)), OTHER_FILE)
    for _ in range(2):
        summary = landing.load()
        assert "201 of 1000 lines (20.1%) were rejected" in summary.failed_files[0].reason
        assert "message_id_characters 201" in summary.failed_files[0].reason
    assert landing.counters() == list(range(5000, 5010))
    assert landing.query("select count(*) from raw.rejected_lines") == [(0,)]
    assert landing.ids() == [("edge-a", "5", "{[5000,5010)}", "{}")]
    rows = landing.query(
        "select line_count, accepted_count, rejected_count, position, sample_rejects from ops.file_ledger where status = 'failed'"
    )
    assert [row[:4] for row in rows] == [(1000, 799, 201, None)]
    samples = rows[0][4]
    assert len(samples) == 20
    assert (samples[0]["line_number"], samples[0]["reason"]) == (800, "message_id_characters")
    assert samples[0]["byte_offset"] == len(log_text(range(799)))
    assert json.dumps(samples[0]["raw_line"]).startswith('"50x0000000000002710')


def test_a_failed_file_is_loaded_when_the_limit_allows_it(landing):
    landing.write(with_rejects(799, 201))
    landing.load()
    landing.source = landing.source.model_copy(update={"reject_limit": 0.3})
    assert counts(landing.load()) == (1000, 799, 201, 0, 0)
    assert landing.ledger("status") == [("loaded",)]


def test_rejects_at_the_limit_pass(landing):
    landing.write(with_rejects(800, 200))
    summary = landing.load()
    assert (counts(summary), summary.warnings) == ((1000, 800, 200, 0, 0), [])
    assert summary.reject_reasons == Counter(message_id_characters=200)


def test_too_many_rejects_of_a_smaller_file_warn(landing):
    landing.write(with_rejects(0, 999))
    summary = landing.load()
    assert (counts(summary), summary.failed_files) == ((999, 0, 999, 0, 0), [])
    assert "999 of 999 lines" in summary.warnings[0]
    assert landing.ledger("status, warnings -> 0 is not null") == [("loaded", True)]
    assert landing.ids() == [("edge-a", "5", "{}", "{[10000,10999)}")]


def test_rejected_lines_are_kept_byte_for_byte(landing):
    bad = [b"", b"\xff\x00\x1b", log_line(7, f3="g").encode()[:-1] + b"\r", b"x\\t\"'\t"]
    good = log_text([1])
    landing.write(good + b"\n".join(bad) + b"\n" + log_text([2]))
    summary = landing.load(block_size=50)
    assert counts(summary) == (6, 2, 4, 0, 0)
    rows = landing.query(
        "select line_number, byte_offset, raw_line, load_id from raw.rejected_lines order by line_number"
    )
    assert [bytes(row[2]) for row in rows] == bad
    assert [row[0] for row in rows] == [2, 3, 4, 5]
    assert rows[1][1] == len(good) + 1
    assert landing.ids() == [("edge-a", "5", "{[1,3)}", "{[7,8)}")]


def test_block_size_changes_nothing(landing, tmp_path):
    bad = b"\n\xff\n" + log_line(7, f3="g").encode()
    text = log_text(range(30)) + bad + log_text([3, 40, 40]).replace(b"\n", b"\r\n") + log_text(range(50, 60))
    names = ("whole", "tiny")
    results = []
    for name, block_size in zip(names, (1 << 24, 7), strict=True):
        each = Landing(landing.warehouse, tmp_path / name)
        each.source = each.source.model_copy(update={"name": name})
        each.write(text)
        summary = each.load(block_size=block_size)
        columns = (
            "counter, occurred_at, message_id, url_id, requester_uuid, client_ip, has_replaced_bytes, user_agent_id"
        )
        events = each.query(
            f"select {columns} from raw.events inner join ops.sources using (source_id) where source = %s order by counter",
            name,
        )
        rejected = each.query(
            "select line_number, byte_offset, reason, raw_line::text from raw.rejected_lines inner join ops.file_ledger "
            "using (load_id) inner join ops.sources using (source_id) where source = %s order by line_number",
            name,
        )
        results.append((counts(summary), events, rejected))
    assert results[0] == results[1]
    assert results[0][0] == (46, 41, 3, 2, 0)


def test_files_that_are_not_tracking_logs_are_listed_once(landing):
    landing.write(b"x", "notes.txt")
    landing.write(b"x", "0x0.log")
    assert (landing.load().ignored, landing.load().ignored) == (2, 0)
    assert landing.ledger("file_name, status, position") == [
        ("0x0.log", "ignored", None),
        ("notes.txt", "ignored", None),
    ]


def test_the_greatest_counter(landing):
    greatest = 2**63 - 1
    landing.write(log_text([greatest - 1, greatest]))
    assert counts(landing.load()) == (2, 2, 0, 0, 0)
    assert landing.ids() == [("edge-a", "5", f"{{[{greatest - 1},)}}", "{}")]
    landing.write(log_text([greatest, greatest - 2, greatest - 1]), OTHER_FILE)
    assert counts(landing.load()) == (3, 1, 0, 2, 0)
    assert landing.counters() == [greatest - 2, greatest - 1, greatest]
    assert landing.ids()[0][2] == f"{{[{greatest - 2},)}}"


def test_each_month_has_its_partition(landing):
    days = ["2012-02-20", "2026-08-31", "2025-12-31", "2026-01-01"]
    landing.write("".join(log_line(n, f2=f"{day}T23:59:59") for n, day in enumerate(days)).encode())
    landing.load()
    assert landing.query("select tableoid::regclass::text, occurred_at::date::text from raw.events order by 1") == [
        ("raw.events_2012_02", "2012-02-20"),
        ("raw.events_2025_12", "2025-12-31"),
        ("raw.events_2026_01", "2026-01-01"),
        ("raw.events_2026_08", "2026-08-31"),
    ]
    indexes = landing.query("select count(*) from pg_indexes where tablename = 'events_2026_01'")
    assert indexes == landing.query("select count(*) from pg_indexes where schemaname = 'raw' and tablename = 'events'")
    assert landing.ledger("newest_event_at") == [(datetime(2026, 8, 31, 23, 59, 59, tzinfo=UTC),)]


def test_user_agents_are_stored_once(landing):
    agents = [
        "",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1",
        "ü\\N\t"[:3],
    ]
    landing.write("".join(log_line(n, f10=agents[n % 3]) for n in range(30)).encode())
    landing.load(block_size=500)
    landing.write("".join(log_line(n, f10=agents[n % 3]) for n in range(30, 60)).encode(), OTHER_FILE)
    landing.load()
    rows = landing.query(
        "select user_agent, browser, operating_system, device, digest = sha256(convert_to(user_agent, 'UTF8')) from raw.user_agents"
    )
    assert sorted(rows) == [
        ("", "", "", "", True),
        (agents[1], "Mobile Safari", "iOS", "iPhone", True),
        ("ü\\N", "", "", "", True),
    ]
    joined = landing.query(
        "select counter, user_agent from raw.events inner join raw.user_agents using (user_agent_id)"
    )
    assert all(agent == agents[counter % 3] for counter, agent in joined)
    assert len(joined) == 60


def test_the_clock_of_a_source(landing):
    landing.source = landing.source.model_copy(update={"time_zone": "America/New_York"})
    landing.write(log_line(1, f2="2026-07-01T12:00:00").encode())
    landing.load()
    assert landing.query("select occurred_at from raw.events") == [(datetime(2026, 7, 1, 16, tzinfo=UTC),)]


def test_a_second_load_of_the_same_server_is_told_who_loads(landing):
    landing.write(log_text(range(10)))
    landing.write(log_text(range(10, 20)), server="edge-b")
    errors = []

    def try_again(_: int) -> None:
        with pytest.raises(
            HeldError,
            match=r"`load campaign/edge-a` is held by message-tracking load campaign/edge-a \(server process \d+, since 20",
        ):
            landing.load()
        errors.append(landing.load("edge-b"))

    landing.load(progress=try_again)
    assert errors[0].accepted == 10
    assert landing.load().line_count == 0


def test_a_login_that_sees_no_other_sessions_is_told_what_it_can_see_of_who_loads(landing, shared_warehouse):
    landing.warehouse = shared_warehouse
    landing.write(log_text(range(10)))

    def try_again(_: int) -> None:
        with pytest.raises(HeldError, match=r"is held by message-tracking load .*, since an unknown time\)"):
            landing.load()

    assert landing.load(progress=try_again).accepted == 10


def test_progress_adds_up_to_the_files_sizes(landing):
    sizes = [
        landing.write(log_text(range(n * 1000, n * 1000 + 50)), f"0x000000000000{n:04d}.log{suffix}").stat().st_size
        for n, suffix in enumerate(["", ".gz"])
    ]
    for _ in range(2):
        seen = []
        landing.load(progress=seen.append, block_size=1000)
        assert sum(seen) == sum(sizes)


LOADER = """
import sys
from pathlib import Path
from message_tracking.loading.tracking_logs import load_tracking_logs
from message_tracking.sources import Source
from message_tracking.transports.opening import open_source
from message_tracking.warehouse import Warehouse
source = Source(name="campaign", kind="folder", path=Path(sys.argv[2]))
load_tracking_logs(Warehouse(sys.argv[1]), open_source(source), "edge-a", block_size=int(sys.argv[3]))
"""


@pytest.mark.parametrize("blocks_before_kill", [0, 3])
def test_a_killed_load_loses_nothing_and_doubles_nothing(landing, connection, blocks_before_kill):
    line_count = 150_000
    landing.write(log_text(range(5)), "0x0000000000000000.log")
    landing.write(log_text(range(10, line_count)))
    connection.autocommit = True
    process = subprocess.Popen(
        [sys.executable, "-c", LOADER, landing.warehouse.url, str(landing.source.path), str(1 << 19)]
    )
    finished_blocks, deadline = 0, time.monotonic() + 60
    was_copying = False
    while time.monotonic() < deadline and process.poll() is None:
        is_copying = bool(
            fetch_all(
                connection,
                "select 1 from pg_stat_progress_copy where relid = 'raw.events'::regclass and bytes_processed > 100000",
            )
        )
        finished_blocks += was_copying and not is_copying
        was_copying = is_copying
        if is_copying and finished_blocks >= blocks_before_kill:
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the loader was through before it could be killed"
    assert landing.counters() == list(range(5)), "nothing of a file counts before all of it does"
    assert landing.ledger("line_count") == [(5,)]
    summary = landing.load(wait=True)
    assert counts(summary) == (line_count - 10, line_count - 10, 0, 0, 0)
    assert landing.counters() == [*range(5), *range(10, line_count)]
    assert landing.load().line_count == 0
