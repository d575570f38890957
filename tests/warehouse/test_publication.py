"""Candidates and publications: what readers see, and what is left when something fails."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import psycopg2
import pytest

from message_tracking import publication
from message_tracking.building import build
from message_tracking.errors import HeldError, MessageTrackingError, RefusedError
from message_tracking.pipeline import be_quiet, publish_what_is_new
from message_tracking.publication import abandon, open_candidate, publish, rollback
from message_tracking.validation.gate import validate
from message_tracking.warehouse import fetch_all

DELIVERIES = (
    "1000,DM1000,Spring sale,,0,95,false,false,1,,3,0,3,0,0,2026-01-05T08:00:00Z,2026-01-10T08:00:00Z,2026-01-05T09:00:00Z",
    "2000,DM2000,Newsletter,,0,95,false,false,1,,2,0,2,0,0,2026-01-06T08:00:00Z,2026-01-11T08:00:00Z,2026-01-06T09:00:00Z",
)
MESSAGES = tuple(
    f"{message},{message // 100 * 1000},{message},example.net,1,0,false,2026-01-05T08:00:00Z,2026-01-05T08:00:00Z"
    for message in (101, 102, 103, 201, 202)
)
URLS = ("1001,1000,1,Shop,,https://www.example/shop,0,html,", "2001,2000,1,Blog,,https://www.example/blog,0,html,")


def line(counter: int, message: int, delivery: int, url: int, minute: int = 0, uuid: str = "") -> str:
    """One log line: an event on 5 January 2026, so many minutes after nine."""
    at = f"2026-01-05T{9 + minute // 60:02d}:{minute % 60:02d}:00"
    return f"50x{counter:016X}\t{at}\t{message:x}\t{delivery:x}\t{url:x}\t0\t{uuid}\th\t\tMozilla/5.0\t203.0.113.10"


FIRST = [
    line(1, 101, 1000, 1),
    line(2, 101, 1000, 1001, 1, "730EDCC9-1F2C-4C75-BA3A-889BC666C6C7"),
    line(3, 102, 1000, 1, 2),
    line(4, 201, 2000, 1, 3),
    line(5, 201, 2000, 2001, 4),
]
SECOND = [line(6, 103, 1000, 1, 90), line(7, 103, 1000, 1001, 95, "730edcc9-1f2c-4c75-ba3a-889bc666c6c7")]


@pytest.fixture
def described(landing):
    landing.describe(deliveries=DELIVERIES, messages=MESSAGES, tracked_urls=URLS)
    landing.write_log(FIRST)
    return landing


def stored(connection):
    """All row versions of all stores, in no order."""
    connection.rollback()
    tables = fetch_all(
        connection,
        "select relname::text from pg_class where relnamespace = 'mart_store'::regnamespace and relkind = 'r'",
    )
    return {
        table: sorted(row[0] for row in fetch_all(connection, f"select stored::text from mart_store.{table} as stored"))
        for (table,) in tables
    }


def test_later_feeds_give_what_one_feed_gives(pipeline, landing, connection, shown):
    landing.describe(deliveries=DELIVERIES[:1], messages=MESSAGES[:1])
    landing.write_log(FIRST)
    pipeline.run()
    unknown = fetch_all(connection, "select delivery_id from marts.tracking_events where not is_known_delivery")
    assert {delivery for (delivery,) in unknown} == {2000}
    assert fetch_all(connection, "select delivery_id from marts.deliveries") == [(1000,)]
    landing.describe(deliveries=DELIVERIES, messages=MESSAGES, tracked_urls=URLS)
    landing.write_log([*FIRST, *SECOND])
    pipeline.run()
    in_two_parts = shown()
    pipeline.publish(full=True)
    assert shown() == in_two_parts
    assert fetch_all(connection, "select person_click_count from marts.delivery_indicators order by delivery_id") == [
        (1,),
        (0,),
    ]


def test_another_deliverys_click_moves_the_platform_average(pipeline, described, connection):
    """Delivery 2000 was sent a day after 1000, which alone gets new events: the average that 2000 is compared with moves."""
    pipeline.run()
    average = "select platform_cumulated_click_rate from marts.delivery_indicators where delivery_id = 2000"
    # One click of each over 3 + 2 successes.
    assert fetch_all(connection, average) == [(Decimal("0.4"),)]
    described.write_log([*FIRST, *SECOND])
    pipeline.run()
    connection.rollback()
    assert fetch_all(connection, average) == [(Decimal("0.6"),)]
    own = "select cumulated_click_rate from marts.delivery_indicators where delivery_id = 2000"
    assert fetch_all(connection, own) == [(Decimal("0.5"),)]


def test_the_callers_pin_does_not_reach_dbt(pipeline, described, connection, monkeypatch):
    pipeline.run()
    monkeypatch.setenv("PGOPTIONS", "-c message_tracking.publication=1")
    described.write_log([*FIRST, *SECOND])
    pipeline.run()
    assert fetch_all(connection, "select count(*) from marts.tracking_events") == [(len(FIRST) + len(SECOND),)]


def test_what_is_published_is_published_anew_only_where_that_is_asked_for(pipeline, described, connection):
    pipeline.run()
    assert pipeline.lines[-1] == "Published 1 with 5 new events."
    assert pipeline.run() is None
    pipeline.publish(full=True)
    # They are all events, and none of them is new.
    assert pipeline.lines[-1] == "Published 2, computed anew from all 5 events."
    changes = "select sum(opened_count + closed_count) from ops.model_builds where publication_id = 2"
    assert fetch_all(connection, changes) == [(0,)]


def test_a_pinned_session_builds_nothing(pipeline, described, warehouse, connection):
    pipeline.load()
    open_candidate(warehouse, "test")
    with connection, connection.cursor() as cursor:
        cursor.execute("set local message_tracking.publication = '1'")
        with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="does not read the candidate"):
            cursor.execute("select ops.hold_candidate(1)")


def test_red_candidate_is_undone_to_the_row(pipeline, described, connection):
    pipeline.run()
    before = stored(connection)
    described.write_log([line(10 + n, 201, 1000, 2001, n) for n in range(50)], name="0x000000000000000A.log")
    with pytest.raises(RefusedError):
        pipeline.run()
    assert stored(connection) == before
    assert any("links_belong_to_the_delivery" in text and "tracking_events" in text for text in pipeline.lines)
    keys = fetch_all(
        connection,
        """
        select count(*) from ops.failing_keys
        inner join ops.check_results using (check_result_id)
        where check_name = 'links_belong_to_the_delivery'
        """,
    )
    assert keys == [(50,)]
    verdicts = fetch_all(
        connection, "select status, verdict, event_count from ops.publications order by publication_id"
    )
    assert [(status, count) for status, _, count in verdicts] == [("published", 5), ("refused", 50)]
    assert "links_belong_to_the_delivery" in verdicts[1][1]


def test_earlier_publications_are_shown_again(pipeline, described, connection, connect_as, warehouse, shown):
    first = pipeline.run().publication_id
    shown_first = shown()
    described.write_log([*FIRST, *SECOND])
    second = pipeline.run().publication_id
    shown_second = shown()
    assert shown_second != shown_first

    reader = connect_as("bi_reader")
    count = "select count(*) from marts.tracking_events"
    assert fetch_all(reader, count) == [(7,)]
    pin = "select set_config('message_tracking.publication', %s, false)"
    fetch_all(reader, pin, (str(first),))
    assert fetch_all(reader, count) == [(5,)]
    fetch_all(reader, pin, (str(second + 1),))
    with pytest.raises(psycopg2.errors.InvalidParameterValue, match="cannot be read"):
        fetch_all(reader, count)
    reader.rollback()

    with pytest.raises(MessageTrackingError, match=f"Publication {second} is already live"):
        rollback(warehouse, second)
    open_candidate(warehouse, "dead holder", full=True, lease=timedelta(0))
    records = "select state::text from ops.publication_state as state union all select each::text from ops.publications as each"
    before = sorted(fetch_all(connection, records))
    assert rollback(warehouse, dry_run=True) == (second, first)
    connection.rollback()
    assert sorted(fetch_all(connection, records)) == before
    assert rollback(warehouse) == (second, first)
    assert shown() == shown_first

    assert pipeline.run().publication_id > second
    assert shown() == shown_second
    with pytest.raises(MessageTrackingError, match=f"Publication {second} cannot be shown"):
        rollback(warehouse, second)


@pytest.mark.long
def test_old_versions_go_when_no_kept_publication_needs_them(pipeline, described, connection):
    for counter in range(10, 16):
        described.write_log([line(counter, 101, 1000, 1001, counter)], name=f"0x{counter:016X}.log")
        pipeline.run()
    kept = fetch_all(connection, "select publication_id from ops.publications where is_kept order by 1")
    assert len(kept) == 5
    oldest = fetch_all(connection, "select min(valid_to) from mart_store.delivery_indicators")
    assert oldest[0][0] > kept[0][0]


def test_publication_needs_the_records_of_this_build(pipeline, described, warehouse):
    pipeline.load()
    candidate = open_candidate(warehouse, "test")
    build(warehouse, pipeline.settings, candidate.publication_id, be_quiet)
    with pytest.raises(RefusedError, match="no result: .*tracking_events"):
        publish(warehouse, pipeline.settings, candidate.publication_id)
    assert validate(warehouse, pipeline.settings, candidate.publication_id, be_quiet).is_publishable
    build(warehouse, pipeline.settings, candidate.publication_id, be_quiet)
    with pytest.raises(RefusedError, match="no result"):
        publish(warehouse, pipeline.settings, candidate.publication_id)
    validate(warehouse, pipeline.settings, candidate.publication_id, be_quiet)
    published = publish(warehouse, pipeline.settings, candidate.publication_id)
    assert publish(warehouse, pipeline.settings, candidate.publication_id) == published


def test_one_build_at_a_time(pipeline, described, warehouse):
    pipeline.load()
    mine = open_candidate(warehouse, "first holder")
    assert open_candidate(warehouse, "first holder") == mine
    with pytest.raises(HeldError, match="first holder has held candidate"):
        open_candidate(warehouse, "second holder")
    with pytest.raises(HeldError):
        rollback(warehouse)
    abandon(warehouse, mine.publication_id, "test")
    assert open_candidate(warehouse, "second holder").publication_id > mine.publication_id


def test_a_holder_that_died_blocks_nobody(pipeline, described, warehouse):
    pipeline.load()
    with closing(warehouse.connect("holder")) as session:
        mine = open_candidate(warehouse, "first holder", session=session)
        with pytest.raises(HeldError):
            open_candidate(warehouse, "second holder")
    theirs = open_candidate(warehouse, "second holder", lease=timedelta(0))
    assert theirs.publication_id > mine.publication_id
    assert open_candidate(warehouse, "third holder").publication_id > theirs.publication_id
    with pytest.raises(MessageTrackingError, match="is not the open one"):
        build(warehouse, pipeline.settings, theirs.publication_id, be_quiet)


def test_a_login_that_sees_no_other_sessions_still_sees_that_a_holder_lives(pipeline, described, shared_warehouse):
    pipeline.load()
    with closing(shared_warehouse.connect("holder")) as session:
        mine = open_candidate(shared_warehouse, "first holder", session=session)
        with pytest.raises(HeldError, match=r"first holder(.|\n)*when that process ends"):
            open_candidate(shared_warehouse, "second holder")
        with pytest.raises(HeldError), closing(shared_warehouse.connect("same name")) as other:
            open_candidate(shared_warehouse, "first holder", session=other)
        assert open_candidate(shared_warehouse, "first holder", session=session) == mine
    assert open_candidate(shared_warehouse, "second holder").publication_id > mine.publication_id


def test_a_full_build_is_no_going_on_with_another_one(pipeline, described, warehouse, connection):
    pipeline.load()
    partial = open_candidate(warehouse, "holder")
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            create table mart_store.left_over (valid_from integer, valid_to integer);
            insert into mart_store.left_over values (%s, 2147483647)
            """,
            (partial.publication_id,),
        )
    full = open_candidate(warehouse, "holder", full=True)
    assert full.is_full
    assert full.publication_id > partial.publication_id
    assert stored(connection) == {"left_over": []}
    states = fetch_all(connection, "select status, event_count from ops.publications order by publication_id")
    assert states == [("abandoned", 5), ("open", 5)]
    # What is computed anew has what is new in it.
    assert open_candidate(warehouse, "holder") == full
    assert open_candidate(warehouse, "holder", full=True) == full


@pytest.mark.parametrize(("new_count", "full_from", "is_full"), [(5, 4, False), (6, 5, True), (6, 6, False)])
def test_what_is_mostly_new_is_computed_anew(
    pipeline, described, warehouse, connection, monkeypatch, new_count, full_from, is_full
):
    monkeypatch.setattr(publication, "FULL_FROM_EVENTS", full_from)
    pipeline.load()
    first = open_candidate(warehouse, "holder")
    assert not first.is_full
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "update ops.publication_state set live_publication = %s, candidate_publication = null",
            (first.publication_id,),
        )
    described.write_log(
        [line(number, 103, 1000, 1, number) for number in range(10, 10 + new_count)], name=f"0x{10:016x}.log"
    )
    pipeline.load()
    assert open_candidate(warehouse, "holder").is_full == is_full
    connection.rollback()
    (counted,) = fetch_all(
        connection, "select event_count from ops.publications where status = 'open' and publication_id > 1"
    )
    assert counted == (new_count + 5 * is_full,)


def test_what_was_published_is_reported_so_although_old_versions_cannot_be_deleted_yet(
    pipeline, described, warehouse, connection
):
    pipeline.load()
    candidate = open_candidate(warehouse, "test")
    build(warehouse, pipeline.settings, candidate.publication_id, be_quiet)
    validate(warehouse, pipeline.settings, candidate.publication_id, be_quiet)
    lock = "select from ops.publication_state for update"
    with (
        closing(warehouse.connect("before")) as before,
        closing(warehouse.connect("after")) as after,
        ThreadPoolExecutor() as threads,
    ):
        fetch_all(before, lock)
        published = threads.submit(publish, warehouse, pipeline.settings, candidate.publication_id)
        wait_until_waiting(connection, "publish")
        queued = threads.submit(fetch_all, after, lock)
        wait_until_waiting(connection, "after")
        before.rollback()
        queued.result()
        assert published.result().publication_id == candidate.publication_id
    assert fetch_all(connection, "select live_publication from ops.publication_state") == [(candidate.publication_id,)]


def wait_until_waiting(connection, application_name):
    """Wait until a session of this name waits for a lock."""
    waiting = "select from pg_stat_activity where application_name = %s and wait_event_type = 'Lock' and datname = current_database()"
    for _ in range(200):
        connection.rollback()
        if fetch_all(connection, waiting, (application_name,)):
            return
        time.sleep(0.05)
    raise AssertionError(f"{application_name} never waited for a lock")


@pytest.mark.parametrize("moment", ["Build candidate", "suite deliveries"])
def test_a_build_whose_candidate_is_taken_says_so(pipeline, described, warehouse, moment):
    pipeline.load()

    def take(said):
        if moment in said:
            abandon(warehouse, 1, "taken by the test")

    with pytest.raises(HeldError, match="Candidate 1 is no longer open"):
        publish_what_is_new(warehouse, pipeline.settings, report=take, detail=take)
