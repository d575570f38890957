"""Rejected lines back in after a rule of the parser has changed: once, whatever happens meanwhile."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from click.testing import CliRunner
from tests.conftest import reject_long_ids

from message_tracking.cli import main
from message_tracking.errors import HeldError
from message_tracking.loading import ledger
from message_tracking.loading.replaying import replay_rejected_lines, servers_with_rejected_lines
from message_tracking.parsing import tracking_log
from message_tracking.warehouse import fetch_all

WRONG = "50x00000000000000FF\t2026-13-45T10:00:00\t1\t1\t1\t0\t\t\t\tMozilla/5.0\t203.0.113.9"
COUNTS = "line_count, accepted_count, rejected_count, already_loaded_count"


def line(counter, at="10:00:00", *, delivery="1aeab4b6", prefix="5"):
    """A log line; those with a delivery of eight digits are rejected while `strict_rule` holds."""
    return f"{prefix}0x{counter:016X}\t2026-01-05T{at}\t{counter:x}\t{delivery}\t1\t0\t\t\t\tMozilla/5.0\t203.0.113.9"


LINES = [line(1), line(2, delivery="1f"), WRONG, line(3), line(3), line(4, prefix="a")]


@pytest.fixture
def strict_rule(monkeypatch):
    """Ids of eight digits are rejected, until it is undone."""
    with monkeypatch.context() as patch:
        reject_long_ids(patch)
        yield patch


@pytest.fixture
def replay(pipeline, warehouse):
    """Replay the source `campaign` server by server; the summaries' counts."""

    def run(**options):
        source = pipeline.sources.named("campaign")
        summaries = [
            replay_rejected_lines(warehouse, source, server, **options)
            for server in servers_with_rejected_lines(warehouse, source)
        ]
        return [(one.line_count, one.accepted, one.rejected, one.already_loaded) for one in summaries]

    return run


@pytest.fixture
def query(connection):
    def run(text):
        with connection:
            return fetch_all(connection, text)

    return run


@pytest.fixture
def balance(query):
    """Assert that the ledger's sums are what is in raw; return the file's sums."""

    def check():
        ((lines, accepted, rejected, already),) = query(
            "select sum(line_count), sum(accepted_count), sum(rejected_count), sum(already_loaded_count) "
            "from ops.file_ledger where kind = 'tracking_log' and status = 'loaded'"
        )
        assert lines == accepted + rejected + already
        assert query("select count(*) from raw.events") == [(accepted,)]
        assert query("select count(*) from raw.rejected_lines where replayed_by_load_id is null") == [(rejected,)]
        assert query("select count(*), count(distinct (source_id, prefix, counter)) from raw.events") == [
            (accepted, accepted)
        ]
        return lines, accepted, rejected, already

    return check


def test_the_marts_are_those_of_a_warehouse_where_the_rule_was_right(
    pipeline, landing, golden, strict_rule, replay, balance, shown, one_feed
):
    landing.copy(golden("second-case"))
    pipeline.run()
    before = balance()
    strict_rule.undo()
    ((taken,),) = [[sum(accepted for _, accepted, _, _ in replay())]]
    assert taken > 100
    after = balance()
    assert after[0] == before[0]
    assert after[1] == before[1] + taken
    assert pipeline.publish().event_count == taken
    assert shown() == one_feed(landing.folder)


def test_lines_are_taken_in_once_and_others_keep_their_place(pipeline, landing, strict_rule, replay, query, balance):
    file = landing.write_log(LINES)
    pipeline.load()
    # The line that is there twice is one rejected line.
    assert balance() == (6, 1, 4, 1)
    strict_rule.undo()
    assert replay() == [(4, 3, 1, 0)]
    assert balance() == (6, 4, 1, 1)
    assert query("select line_number, replayed_by_load_id is not null from raw.rejected_lines order by 1") == [
        (1, True),
        (3, False),
        (4, True),
        (6, True),
    ]
    assert replay() == [(1, 0, 1, 0)]
    assert query(f"select {COUNTS}, position from ops.file_ledger order by load_id") == [
        (6, 1, 4, 1, 1),
        (0, 3, -3, 0, 2),
    ]
    # The file goes on where it ended.
    pipeline.load()
    assert balance() == (6, 4, 1, 1)
    file.write_text(file.read_text() + f"{line(5)}\n")
    pipeline.load()
    assert balance() == (7, 5, 1, 1)


def test_a_line_that_is_rejected_again_gets_the_reason_of_today(pipeline, landing, strict_rule, replay, query):
    landing.write_log([line(1, "27:00:00"), line(2)])
    strict_rule.setattr(tracking_log, "_DATE", "^never$")
    pipeline.load()
    assert query("select distinct reason from raw.rejected_lines") == [("date_form",)]
    strict_rule.undo()
    assert replay() == [(2, 1, 1, 0)]
    assert query("select line_number, reason from raw.rejected_lines where replayed_by_load_id is null") == [
        (1, "date_calendar")
    ]


def test_what_came_in_meanwhile_is_already_loaded(pipeline, landing, strict_rule, replay, balance, query):
    landing.write_log(LINES)
    pipeline.load()
    strict_rule.undo()
    landing.write_log([line(1), line(3)], name="0x00000000000000FF.log")
    landing.write_log([line(4, prefix="a")], server="other")
    pipeline.load()
    assert replay() == [(4, 0, 1, 3)]
    assert balance() == (9, 4, 1, 4)
    assert query("select distinct replayed_by_load_id is null from raw.rejected_lines order by 1") == [
        (False,),
        (True,),
    ]


def test_only_what_is_asked_for_is_replayed(pipeline, landing, strict_rule, balance, query, warehouse):
    landing.write_log(LINES)
    landing.write_log([line(77)], server="other")
    pipeline.load()
    strict_rule.undo()
    environment = {
        "MESSAGE_TRACKING_HOME": str(pipeline.settings.home),
        "MESSAGE_TRACKING_WAREHOUSE": warehouse.url,
        "MESSAGE_TRACKING_SOURCES": str(pipeline.settings.sources_file),
    }

    def run(*arguments):
        return CliRunner().invoke(main, ["replay", *arguments], env=environment)

    before = query("select count(*) from ops.file_ledger"), balance()
    told = run("--dry-run")
    assert "nothing was changed" in told.stdout
    assert (query("select count(*) from ops.file_ledger"), balance()) == before
    told = run("--reason", "no_such_reason")
    assert told.exit_code == 2
    assert "delivery_id_length" in told.stderr
    assert run("--source", "nowhere").exit_code == 2
    assert "no rejected lines" in run("--server", "nowhere").stdout
    run("--reason", "date_calendar")
    assert balance() == (7, 1, 5, 1)
    run("--server", "other")
    assert balance() == (7, 2, 4, 1)
    assert "rejected 1 for date_calendar" in run().stdout
    assert balance() == (7, 5, 1, 1)


def test_two_replays_and_a_load_take_turns(pipeline, landing, strict_rule, replay, balance, warehouse):
    landing.write_log(LINES)
    pipeline.load()
    strict_rule.undo()
    with (
        closing(warehouse.connect("another load")) as other,
        ledger.held_lock(other, "load campaign/edge"),
        pytest.raises(HeldError, match="another load"),
    ):
        replay()
    with ThreadPoolExecutor() as threads:
        outcomes = [threads.submit(replay) for _ in range(2)]
        errors = [outcome.exception() for outcome in outcomes]
    assert all(error is None or isinstance(error, HeldError) for error in errors)
    assert balance() == (6, 4, 1, 1)


def test_blocks_make_no_difference(pipeline, landing, strict_rule, replay, balance):
    landing.write_log(line(counter) for counter in range(300))
    pipeline.load()
    strict_rule.undo()
    assert replay(block_size=1000) == [(300, 300, 0, 0)]
    assert balance() == (300, 300, 0, 0)


def test_a_killed_replay_is_run_again(pipeline, landing, strict_rule, replay, balance, warehouse, query):
    for number in range(3):
        landing.write_log(
            (line(counter) for counter in range(number * 900, number * 900 + 900)), name=f"0x{number:016X}.log"
        )
    pipeline.load()
    strict_rule.undo()
    program = f"""
from message_tracking.loading.replaying import replay_rejected_lines
from message_tracking.sources import read_sources
from message_tracking.warehouse import Warehouse
from pathlib import Path
source = read_sources(Path({str(pipeline.settings.sources_file)!r}), {{}}).named("campaign")
replay_rejected_lines(Warehouse({warehouse.url!r}), source, "edge", block_size=10_000)
"""
    with closing(warehouse.connect("test")) as holder, holder.cursor() as cursor:
        # It waits for the second file, in the middle of the lines of which it is killed.
        cursor.execute("select from raw.rejected_lines where line_number = 800 and load_id = 2 for update")
        process = subprocess.Popen([sys.executable, "-c", program])
        until = time.monotonic() + 120
        while not query("select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert balance() == (2700, 900, 1800, 0)
    assert replay() == [(1800, 1800, 0, 0)]
    assert balance() == (2700, 2700, 0, 0)
