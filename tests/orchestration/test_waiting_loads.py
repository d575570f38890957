import pytest

from message_tracking.publication import abandon, open_candidate, refuse
from message_tracking.waiting_loads import has_waiting_loads


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
