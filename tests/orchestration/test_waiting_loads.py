from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest

from message_tracking.publication import abandon, open_candidate, refuse
from message_tracking.waiting_loads import has_waiting_loads, wait_for_running_loads


@pytest.fixture
def accept(connection):
    """Write a ledger row of a load that accepted rows."""

    def write(kind: str, server: str = "") -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute("insert into ops.sources (source) values ('campaign') on conflict do nothing")
            cursor.execute(
                """
                insert into ops.file_ledger (
                    source_id, kind, server, file_name, status, line_count, accepted_count, position
                )
                select source_id, %s, %s, 'file', 'loaded', 1, 1, nextval('ops.load_position') from ops.sources
                """,
                (kind, server),
            )

    return write


def test_a_load_waits_until_a_candidate_takes_it_in(warehouse, accept):
    assert not has_waiting_loads(warehouse, "campaign", "edge")
    accept("tracking_log", "edge")
    assert has_waiting_loads(warehouse, "campaign", "edge")
    assert not has_waiting_loads(warehouse, "campaign", "other")
    assert not has_waiting_loads(warehouse, "campaign")
    assert not has_waiting_loads(warehouse, "another", "edge")
    open_candidate(warehouse, "test")
    assert not has_waiting_loads(warehouse, "campaign", "edge")


def test_reference_data_waits_by_itself(warehouse, accept):
    accept("recipients")
    assert has_waiting_loads(warehouse, "campaign")
    assert not has_waiting_loads(warehouse, "campaign", "edge")


def test_a_refused_load_waits_no_longer_an_abandoned_one_does(warehouse, accept):
    accept("recipients")
    abandon(warehouse, open_candidate(warehouse, "test").publication_id, "killed")
    assert has_waiting_loads(warehouse, "campaign")
    refuse(warehouse, open_candidate(warehouse, "test").publication_id, "bad data")
    assert not has_waiting_loads(warehouse, "campaign")


def test_loads_that_go_on_are_waited_for_and_those_that_begin_later_are_not(warehouse):
    said = []
    with ThreadPoolExecutor() as threads:
        with closing(warehouse.connect("message-tracking load campaign/edge")):
            waiting = threads.submit(wait_for_running_loads, warehouse, timedelta(minutes=1), said.append)
            while not said:
                assert not waiting.done()
            later = warehouse.connect("message-tracking load campaign/later")
            assert not waiting.done()
        waiting.result(timeout=30)
        later.close()
    assert said == ["Waiting for message-tracking load campaign/edge"]


def test_a_load_that_does_not_end_is_not_waited_for_for_ever(warehouse):
    said = []
    with closing(warehouse.connect("message-tracking load campaign/edge")):
        wait_for_running_loads(warehouse, timedelta(0), said.append)
    assert said[1:] == ["Not waiting any longer than 0:00:00: the next publication takes in what they bring."]


def test_where_nothing_is_loaded_nothing_is_waited_for(warehouse):
    said = []
    wait_for_running_loads(warehouse, timedelta(minutes=1), said.append)
    assert said == []
