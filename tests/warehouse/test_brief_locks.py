"""What needs an exclusive lock on something that is read: readers go on, it waits for its moment."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from message_tracking.warehouse import fetch_all

CHANGES = {
    "marts.shown": "select ops.replace_view('marts', 'shown', 'select 1 as n, 2 as m')",
    "mart_store.stored": "select ops.execute_patiently('alter table mart_store.stored add column m integer default 2')",
}


@pytest.fixture
def read_relations(connection):
    with connection, connection.cursor() as cursor:
        cursor.execute("create view marts.shown as select 1 as n")
        cursor.execute("create table mart_store.stored as select 1 as n")


def change(warehouse, statement):
    with closing(warehouse.connect("change")) as session, session:
        fetch_all(session, statement)


def wait_for_change(connection, relation):
    """Wait until the change waits for its lock on a relation."""
    waiting = "select from pg_locks where not granted and mode = 'AccessExclusiveLock' and relation = %s::regclass"
    until = time.monotonic() + 60
    while not fetch_all(connection, waiting, (relation,)):
        assert time.monotonic() < until, "the change never waited"


@pytest.mark.parametrize("relation", CHANGES)
def test_readers_go_on_while_a_change_waits_for_one_of_them(read_relations, warehouse, connection, relation):
    query = f"select n from {relation}"
    with (
        closing(warehouse.connect("reader")) as reader,
        ThreadPoolExecutor() as threads,
        closing(warehouse.connect("long reader")) as long_reader,
    ):
        reader.autocommit = True
        fetch_all(reader, "select set_config('lock_timeout', '5s', false)")
        assert fetch_all(long_reader, query) == [(1,)]
        changed = threads.submit(change, warehouse, CHANGES[relation])
        for _ in range(2):
            wait_for_change(connection, relation)
            # Behind the change in the queue, which gives up before this reader does.
            assert fetch_all(reader, query) == [(1,)]
        long_reader.rollback()
        changed.result()
        assert fetch_all(reader, f"select m from {relation}") == [(2,)]
