"""What every kind of remote source does, whatever happens on the way."""

import gzip
import io
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.transports.counterparts import Counterpart
from tests.warehouse.conftest import FIXTURES

from message_tracking.errors import MessageTrackingError, UnreadableFileError
from message_tracking.loading.delivery_data import load_delivery_data
from message_tracking.loading.summary import LoadSummary
from message_tracking.loading.tracking_logs import load_tracking_logs
from message_tracking.source_files import SourceFiles
from message_tracking.transports import http, remote, s3, sftp
from message_tracking.transports.opening import open_source
from message_tracking.warehouse import Warehouse, fetch_all

LOG = "logs/edge-a/0x0000000000000000.log"
NEXT_LOG = "logs/edge-a/0x0000000000010000.log.gz"
Open = Callable[..., SourceFiles]


def lines(first: int, count: int) -> bytes:
    return b"".join(
        b"50x%016X\t2026-01-05T10:00:00\t%x\t1\t1\t0\t\t\t\tMozilla/5.0\t203.0.113.9\n" % (number, number)
        for number in range(first, first + count)
    )


def parquet(frame: pl.DataFrame) -> bytes:
    stored = io.BytesIO()
    frame.write_parquet(stored)
    return stored.getvalue()


@pytest.fixture
def load(warehouse: Warehouse, open_it: Open) -> Callable[..., LoadSummary]:
    """Load the logs of a server."""

    def load_now(server: str = "edge-a", files: SourceFiles | None = None, **options: Any) -> LoadSummary:
        return load_tracking_logs(warehouse, files or open_it(**options), server)

    return load_now


@pytest.fixture
def counters(warehouse: Warehouse) -> Callable[[], list[int]]:
    """Which events were loaded."""

    def read() -> list[int]:
        with closing(warehouse.connect("test")) as session:
            return [counter for (counter,) in fetch_all(session, "select counter from raw.events order by 1")]

    return read


def test_what_lies_there_is_loaded(
    warehouse: Warehouse, counterpart: Counterpart, open_it: Open, load: Any, counters: Any
) -> None:
    counterpart.put(LOG, lines(0, 50))
    counterpart.put(NEXT_LOG, gzip.compress(lines(50, 50)))
    counterpart.put("logs/edge-b/0x0000000000000000.log", lines(100, 10))
    counterpart.put("logs/edge-b/readme #1.txt", b"Hello")
    counterpart.put(
        "exports/recipients.csv.gz",
        gzip.compress(b"recipient_id,first_name,last_name,email,email_format,modified_at\n1,A,B,c@d.example,1,\n"),
    )
    exclusions = pl.DataFrame({"delivery_id": [1], "recipient_id": [2], "reason": ["address"], "modified_at": [""]})
    counterpart.put("exports/exclusions.parquet", parquet(exclusions))
    counterpart.put("contents/5.html", b'<a href="https://www.example/">here</a>')
    files = open_it()
    files.require_folder()
    assert files.servers() == ["edge-a", "edge-b"]
    assert [file.name for file in files.other_files("edge-b")] == ["readme #1.txt"]
    assert [load(server).accepted for server in files.servers()] == [100, 10]
    assert counters() == list(range(110))
    data = load_delivery_data(warehouse, files)
    assert (data.files, data.accepted, data.failed_files) == (3, 3, [])
    again = load_delivery_data(warehouse, open_it())
    assert (again.files, load().files, load("edge-b").files) == (0, 0, 0)


def test_objects_of_a_dialect_are_loaded_once_from_any_folder(
    counterpart: Counterpart, open_it: Open, load: Any
) -> None:
    events = (FIXTURES / "ses" / "events.jsonl").read_bytes()
    counterpart.put("2025/03/part-0", events.removesuffix(b"\n"))
    counterpart.put("2025/04/part-0.gz", gzip.compress(events))
    options = {"dialect": "ses", "logs": "2025/*/part*"}
    summary = load("events", **options)
    assert (summary.files, summary.accepted, summary.already_loaded) == (2, 28, 28)
    assert load("events", **options).files == 0


def test_a_growing_file_is_read_on_from_where_it_ended(counterpart: Counterpart, load: Any, counters: Any) -> None:
    counterpart.put(LOG, lines(0, 60_000) + b"50x00000000")
    first = load()
    assert (first.accepted, first.unfinished) == (60_000, 1)
    counterpart.put(LOG, lines(0, 60_010))
    counterpart.line.brought = 0
    assert load().line_count == 10
    assert counters() == list(range(60_010))
    if counterpart.gives_ranges:
        assert counterpart.line.brought < 500_000  # of four million bytes


def test_a_file_that_is_unchanged_is_not_opened(counterpart: Counterpart, load: Any) -> None:
    counterpart.put(NEXT_LOG, gzip.compress(lines(0, 20_000), 0))
    load()
    counterpart.line.brought = 0
    assert load().files == 0
    # Of a million; some of what the first load had asked for may still have been on its way.
    assert counterpart.line.brought < 100_000


def test_servers_that_are_named_need_no_listing(counterpart: Counterpart, open_it: Open, load: Any) -> None:
    counterpart.put(LOG, lines(0, 10))
    counterpart.line.is_down = True
    files = open_it(servers=("edge-a", "edge-b"))
    assert files.servers() == ["edge-a", "edge-b"]
    counterpart.line.is_down = False
    assert load(files=files).accepted == 10
    assert load("edge-b", files).warnings == ["campaign/edge-b has no logs, although `servers` names it."]


def test_a_transfer_that_hangs_is_asked_for_again(
    counterpart: Counterpart, load: Any, counters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for transport in (http, s3, sftp):
        monkeypatch.setattr(transport, "SILENT_SECONDS", 1)
    counterpart.put(LOG, lines(0, 40_000))
    counterpart.line.hang_after = 1_000_000
    assert load().accepted == 40_000
    assert counterpart.line.hang_after is None
    assert counters() == list(range(40_000))


@pytest.mark.parametrize("cut_after", [3_000, 1_000_000])
def test_what_is_cut_on_its_way_is_asked_for_again(
    counterpart: Counterpart, load: Any, counters: Any, cut_after: int
) -> None:
    counterpart.put(LOG, lines(0, 40_000))
    counterpart.put(NEXT_LOG, gzip.compress(lines(40_000, 100)))
    counterpart.line.cut_after = cut_after
    summary = load()
    assert counterpart.line.cut_after is None
    assert (summary.accepted, summary.failed_files) == (40_100, [])
    assert counters() == list(range(40_100))


def test_a_machine_that_is_down_is_named_and_nothing_is_lost(
    counterpart: Counterpart, open_it: Open, load: Any, counters: Any
) -> None:
    counterpart.put(LOG, lines(0, 10))
    counterpart.line.is_down = True
    for attempt in (load, lambda: open_it().require_folder()):
        with pytest.raises(UnreadableFileError, match=r"cannot be reached, 5 times in a row: \S+") as told:
            attempt()
        assert "logs" in str(told.value) or counterpart.root in str(told.value)
        assert counterpart.secret not in str(told.value)
    counterpart.line.is_down = False
    assert load().accepted == 10
    assert counters() == list(range(10))


def test_a_machine_that_goes_down_while_a_file_is_read(
    counterpart: Counterpart, open_it: Open, load: Any, counters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counterpart.put(LOG, lines(0, 10))
    counterpart.put(NEXT_LOG, gzip.compress(lines(10, 10)))
    files = open_it()
    listed = files.log_files("edge-a")
    assert [file.state().size > 0 for file in listed] == [True, True]
    monkeypatch.setattr(SourceFiles, "log_files", lambda *_: listed)
    monkeypatch.setattr(SourceFiles, "other_files", lambda *_: [])
    counterpart.line.is_down = True
    counterpart.line.break_off()
    summary = load(files=files)
    assert [Path(failed.file_name).name for failed in summary.failed_files] == [Path(LOG).name, Path(NEXT_LOG).name]
    assert "cannot be reached, 5 times in a row" in summary.failed_files[0].reason
    counterpart.line.is_down = False
    monkeypatch.undo()
    assert load().accepted == 20
    assert counters() == list(range(20))


def test_a_slow_line_brings_everything(counterpart: Counterpart, load: Any, counters: Any) -> None:
    counterpart.put(LOG, lines(0, 200))
    counterpart.line.bytes_per_second = 100_000
    assert load().accepted == 200
    assert counters() == list(range(200))


def test_a_file_that_is_replaced_by_a_shorter_one(
    counterpart: Counterpart, open_it: Open, load: Any, counters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counterpart.put(LOG, lines(0, 1_000))
    assert load().accepted == 1_000
    counterpart.put(LOG, lines(5_000, 20))
    assert load().accepted == 20
    counterpart.put(LOG, lines(6_000, 400))
    files = open_it()
    listed = files.log_files("edge-a")
    assert listed[0].state().size == len(lines(6_000, 400))
    counterpart.put(LOG, lines(7_000, 30))
    with monkeypatch.context() as patch:
        patch.setattr(SourceFiles, "log_files", lambda *_: listed)
        (failed,) = load(files=files).failed_files
        assert f"ends at byte {len(lines(7_000, 30))}, not at" in failed.reason
    assert load().accepted == 30
    assert counters() == [*range(1_000), *range(5_000, 5_020), *range(7_000, 7_030)]


def test_a_file_that_is_gone_when_it_is_read(
    counterpart: Counterpart, open_it: Open, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counterpart.put(LOG, lines(0, 10))
    files = open_it()
    listed = files.log_files("edge-a")
    assert listed[0].state().size
    counterpart.delete(LOG)
    monkeypatch.setattr(SourceFiles, "log_files", lambda *_: listed)
    (failed,) = load(files=files).failed_files
    assert failed.file_name.endswith(LOG)


def test_a_folder_that_is_not_there(counterpart: Counterpart, open_it: Open) -> None:
    counterpart.put(LOG, b"")
    files = open_it(path=Path(counterpart.root) / "elsewhere")
    assert files.servers() == []
    if counterpart.kind != "s3":  # where folders are but beginnings of names
        with pytest.raises(UnreadableFileError, match=r"The folder of the source campaign is not there: .*elsewhere"):
            files.require_folder()


def test_whoever_has_not_the_secret_is_told_so_without_it(counterpart: Counterpart, open_it: Open) -> None:
    counterpart.put(LOG, b"")
    wrong = "another-secret"
    with counterpart.checked_secrets():
        open_it().require_folder()
        files = open_source(open_it().source, lambda _: counterpart.connection(password=wrong))
        with pytest.raises(MessageTrackingError, match=r"let|cannot be read|key") as told:
            files.require_folder()
    assert wrong not in str(told.value)
    assert counterpart.secret not in str(told.value)


def test_no_more_than_the_pace_is_read(
    counterpart: Counterpart, load: Any, counters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(remote, "sleep", waited.append)
    counterpart.put(LOG, lines(0, 2_000))
    load(most_bytes_per_second=10_000)
    assert counters() == list(range(2_000))
    # The first bytes are had at once, then each waits until those before are paid for.
    assert sum(waited) > 0


def test_a_connection_shows_no_secret(counterpart: Counterpart) -> None:
    connection = counterpart.connection()
    assert counterpart.secret not in repr(connection)
