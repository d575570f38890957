"""What is said before a tracking server deletes logs that nobody has read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.warehouse.conftest import Landing, folder_source

from message_tracking.errors import UnreadableFileError
from message_tracking.loading.summary import LoadSummary
from message_tracking.loading.tracking_logs import load_tracking_logs
from message_tracking.sources import Source
from message_tracking.transports import retrying
from message_tracking.transports.connections import SourceConnection
from message_tracking.transports.opening import open_source
from message_tracking.warehouse import Warehouse

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
LINES = 1000
LINE_BYTES = len("50x0000000000000000\t2026-01-05T08:00:00\t1\t2\t1\t0\t\th\t\t\t203.0.113.10\n") + 300


@pytest.fixture
def grow(tmp_path: Path) -> Callable[[int], None]:
    """Let a server write so many files more, each an hour's."""
    landing, hours = Landing(tmp_path), iter(range(100))

    def write(files: int) -> None:
        for hour in [next(hours) for _ in range(files)]:
            at = f"{START + timedelta(hours=hour):%Y-%m-%dT%H:%M:%S}"
            first = hour * LINES
            landing.write_log(
                [
                    f"50x{first + number:016X}\t{at}\t1\t2\t1\t0\t\th\t{'x' * 300}\t\t203.0.113.10"
                    for number in range(LINES)
                ],
                name=f"0x{first:016x}.log",
            )

    return write


@pytest.fixture
def load(warehouse: Warehouse, tmp_path: Path) -> Callable[[], LoadSummary]:
    """Load the server, which keeps a megabyte."""
    return lambda: load_tracking_logs(warehouse, folder_source(tmp_path, most_log_megabytes=1), "edge")


def test_a_server_of_which_much_was_unread_raises_the_alarm(grow, load):
    grow(5)
    assert load().alarms == [], "all of a first load is unread"
    grow(1)
    assert load().alarms == []
    grow(2)
    (alarm,) = load().alarms
    # Two files in two hours: a megabyte takes so many.
    hours = 1_000_000 / LINES / LINE_BYTES
    assert alarm == (
        f"campaign/edge: {2 * LINES * LINE_BYTES / 1e6:.0f} MB were unread when the load began. From 1 MB on "
        f"(most_log_megabytes), which takes {hours:.1f} hours at this rate, the server deletes its oldest logs, "
        "read or not: load more often."
    )
    assert load().alarms == []


@pytest.fixture
def fail(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Load the server from a machine that is away; returns what is said."""
    monkeypatch.setattr(retrying, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(retrying, "LONGEST_WAIT_SECONDS", 0.01)
    source = Source(name="campaign", kind="http", connection="away", path=Path("/"), most_log_megabytes=1)

    def load() -> str:
        with pytest.raises(UnreadableFileError) as told:
            load_tracking_logs(
                warehouse, open_source(source, lambda name: SourceConnection(name, "http", "127.0.0.1", 9)), "edge"
            )
        return told.value.what

    return load


def test_a_server_that_cannot_be_reached_says_what_is_lost_from_when_on(grow, load, fail):
    grow(1)
    load()
    told = fail()
    assert "cannot be reached" in told
    assert "deletes" not in told, "one hour is no rate"
    grow(4)
    load()
    lost_from = START + timedelta(hours=4 + 1_000_000 / LINES / LINE_BYTES)
    assert fail().endswith(
        f"campaign/edge was read up to 2026-01-05 12:00 UTC; at {LINES * LINE_BYTES / 1e6:.1f} MB an hour it deletes "
        f"unread logs from {lost_from:%Y-%m-%d %H:%M} UTC on."
    )
