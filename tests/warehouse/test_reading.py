"""The readers' own account can be trusted: what they must not meet is found where it is planted."""

import time
from contextlib import closing

import psycopg2
import pytest
from tests.warehouse.reading import LOGGED_MS, Kind, Reading, Span, lock_waits, log_lock_waits, mixtures, read, readers

from message_tracking.migrating import login_name

FIGURES = Kind("figures", "bi_reader", ("select n from marts.first", "select n from marts.second"))


@pytest.fixture
def shown(connection):
    """Two marts and which publication is live; a function sets the three numbers in one transaction."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            """
            create table marts.first (n integer);
            create table marts.second (n integer);
            create table marts.publications (publication_id integer, is_live boolean, is_kept boolean);
            insert into marts.first values (0);
            insert into marts.second values (0);
            insert into marts.publications values (0, true, true);
            """
        )

    def show(publication, first, second):
        with connection, connection.cursor() as cursor:
            cursor.execute("update marts.publications set publication_id = %s", (publication,))
            cursor.execute("update marts.first set n = %s", (first,))
            cursor.execute("update marts.second set n = %s", (second,))

    return show


@pytest.fixture
def session(url_of):
    with closing(
        psycopg2.connect(url_of(login_name("bi_reader")), application_name=FIGURES.application_name)
    ) as session:
        yield session


def test_a_mixture_is_found(shown, session):
    shown(1, 1, 1)
    first = read(session, FIGURES)
    shown(2, 2, 1)
    mixed = read(session, FIGURES)
    shown(2, 2, 2)
    second = read(session, FIGURES)
    spans = [Span(1, 0, second.began_at), Span(2, first.ended_at, second.ended_at)]
    expected = {(FIGURES, 1): first.digest, (FIGURES, 2): second.digest}
    assert list(mixtures([first, mixed, second], spans, expected)) == [
        "reader of figures read publication 2 with figures that it does not have"
    ]


@pytest.mark.parametrize(("began_at", "ended_at"), [(1, 2), (6, 7)])
def test_what_was_not_live_is_found(began_at, ended_at):
    reading = Reading(FIGURES, 1, "digest", began_at, ended_at)
    found = list(mixtures([reading], [Span(1, 3, 5), Span(2, 5, 9)], {(FIGURES, 1): "digest"}))
    assert found == ["reader of figures read publication 1 when it was not live"]
    touching = [reading._replace(began_at=2, ended_at=3), reading._replace(began_at=5, ended_at=6)]
    assert list(mixtures(touching, [Span(1, 3, 5)], {(FIGURES, 1): "digest"})) == []


def test_a_reader_s_error_is_a_fault(shown, url_of):
    missing = Kind("what is missing", "bi_reader", ("select n from marts.third",))
    with readers(url_of, [FIGURES, missing]) as seen:
        until = time.monotonic() + 60
        while not (seen.readings and seen.faults) and time.monotonic() < until:
            time.sleep(0.01)
    (fault,) = seen.faults
    assert "UndefinedTable" in fault
    assert {reading.kind for reading in seen.readings} == {FIGURES}


def test_a_reader_that_waits_is_found(shown, url_of, administrator, connection, server, database):
    log_lock_waits(administrator, database)
    with readers(url_of, [FIGURES]) as seen:
        until = time.monotonic() + 60
        while not seen.readings and time.monotonic() < until:
            time.sleep(0.01)
        assert lock_waits(server.log, database) == []
        with connection, connection.cursor() as cursor:
            cursor.execute("lock table marts.second in access exclusive mode")
            while not lock_waits(server.log, database) and time.monotonic() < until:
                time.sleep(0.01)
            assert lock_waits(server.log, database) == [float("inf")]
            time.sleep(0.2)
    (wait,) = lock_waits(server.log, database)
    assert LOGGED_MS + 200 < wait < float("inf")
    assert seen.faults == []
