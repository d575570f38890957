"""Readers read all the time while publications come, are refused and are rolled back: they see one at a time, at once."""

import shutil
from collections import Counter
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from tests.conftest import execute
from tests.warehouse.reading import KINDS, digests, pin
from tests.warehouse.under_load import UnderLoad

from message_tracking.publication import abandon, open_candidate
from message_tracking.settings import PROJECT
from message_tracking.warehouse import fetch_all

LINES = 20_000
LONGEST_WAIT_MS = 100


@pytest.fixture(scope="module")
def wider_project(tmp_path_factory):
    """A copy of the project with one more column, never null, in one mart."""
    project = tmp_path_factory.mktemp("wider")
    shutil.copytree(PROJECT / "dbt_project", project / "dbt_project", ignore=shutil.ignore_patterns("target", "logs"))
    (project / "expectations").symlink_to(PROJECT / "expectations")
    marts = project / "dbt_project" / "models" / "marts" / "click_stream"
    for file, old, new in (
        (
            "url_clicks.sql",
            " as human_rank\nfrom counted",
            " as human_rank,\n    click_count > 0 as is_clicked\nfrom counted",
        ),
        (
            "_click_stream__models.yml",
            "      - name: rank\n",
            """\
      - name: is_clicked
        data_type: boolean
        description: Whether anyone clicked.
        constraints: [{type: not_null}]
      - name: rank
""",
        ),
    ):
        text = (marts / file).read_text(encoding="utf-8")
        assert old in text
        (marts / file).write_text(text.replace(old, new), encoding="utf-8")
    return project


@pytest.fixture(scope="module")
def under_load(home_of_module, wider_project):
    """Publications, one refused candidate and rollbacks in turn under readers; what was seen is in `seen`."""
    load = UnderLoad(home_of_module, lines=LINES, deliveries=30, slice_lines=300)
    execute(load.warehouse.url, "grant select on marts.deliveries, marts.url_clicks to ops_reader")
    load.before = load.surroundings()
    first = load.kept()[0]
    with load.readers(pause=0.1) as load.seen:
        second = load.publish_slice()
        load.rolled_back = load.publish_slice()
        assert load.roll_back() == second
        load.refuse_slice()
        load.refused = load.rolled_back + 1
        assert load.publish() == load.refused + 1
        assert load.roll_back(first) == first
        load.change_project(wider_project)
        load.publish_slice()
        assert load.roll_back() == first
        load.publish(full=True)
    return load


def test_every_read_is_of_one_publication_that_was_live(under_load):
    assert list(under_load.faults(under_load.seen)) == []
    read = Counter((reading.kind.name, reading.publication_id) for reading in under_load.seen.readings)
    live = {number for *_, number in under_load.switches}
    assert len(live) == 6
    assert set(read) >= {(kind.name, number) for kind in KINDS for number in live if not kind.pins}


def test_no_reader_waits_for_a_lock(under_load):
    assert [wait for wait in under_load.lock_waits() if wait > LONGEST_WAIT_MS] == []


def test_rights_comments_and_views_stay(under_load):
    after = under_load.surroundings()
    assert under_load.before.items() <= after.items()
    assert after.keys() - under_load.before.keys() == {"marts.url_clicks.is_clicked"}
    assert after["marts.url_clicks.is_clicked"][2] == "Whether anyone clicked."


def test_a_new_column_is_empty_in_publications_before_it(under_load):
    first, _ = under_load.kept()
    with under_load.session("bi_reader") as session:
        count = "select count(*) filter (where is_clicked is null), count(is_clicked) from marts.url_clicks"
        ((empty, filled),) = fetch_all(session, count)
        assert (empty, filled > 0) == (0, True)
        pin(session, first)
        ((empty, filled),) = fetch_all(session, count)
        assert (empty > 0, filled) == (True, 0)


def test_kept_publications_show_what_they_showed(under_load):
    assert list(under_load.faults_of_kept()) == []


NOWHERE = {
    "delivery_id": "delivery_id = -5",
    "recipient_id": "recipient_id = -5",
    "activity_date": "activity_date = '0001-01-01'",
}
"""What no row is of, by the first of these columns that a relation has."""


def cannot_be_read(session, columns):
    """Whether every relation says so, also where no row is looked at."""
    for relation, names in columns.items():
        nowhere = next(condition for key, condition in NOWHERE.items() if key in names)
        for query in (f"select count(*) from {relation}", f"select * from {relation} where {nowhere}"):
            with pytest.raises(psycopg2.errors.InvalidParameterValue, match="reset message_tracking.publication"):
                fetch_all(session, query)
    return True


@pytest.mark.parametrize(
    "value", ["refused", "rolled_back", "0", "-1", "2147483647", "99999999999", "1.5", " ", "one", "1;2"]
)
def test_what_is_no_kept_publication_cannot_be_read(under_load, value):
    with under_load.session("tracking_analyst") as session:
        session.autocommit = True
        pin(session, getattr(under_load, value, value))
        assert cannot_be_read(session, under_load.columns[under_load.kept()[-1]])
        pin(session, "")
        assert fetch_all(session, "select count(*) > 0 from marts.deliveries") == [(True,)]


def test_a_candidate_is_shown_to_those_who_may_read_audit(under_load):
    under_load.slices.write()
    under_load.pipeline.load()
    candidate = open_candidate(under_load.warehouse, "test").publication_id
    live = under_load.kept()[-1]
    columns = under_load.columns[live]
    with (
        under_load.session("bi_reader") as reader,
        under_load.session("tracking_analyst") as analyst,
        closing(under_load.warehouse.connect("test")) as pipeline,
    ):
        for session in (reader, analyst, pipeline):
            session.autocommit = True
            pin(session, candidate)
        assert cannot_be_read(
            reader, {name: names for name, names in columns.items() if name != "marts_private.recipients"}
        )
        for session in (analyst, pipeline):
            # Nothing was built for it yet.
            assert digests(session, columns) == under_load.digests[live]
        abandon(under_load.warehouse, candidate, "test")
        assert cannot_be_read(analyst, columns)


def test_a_transaction_goes_on_with_what_it_pinned_while_that_expires(under_load):
    first, last = under_load.kept()
    columns = under_load.columns[first]
    with under_load.session("tracking_analyst") as within, under_load.session("tracking_analyst") as later:
        within.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
        later.autocommit = True
        for session in (within, later):
            pin(session, first)
            assert fetch_all(session, "select count(*) > 0 from marts.deliveries") == [(True,)]
        under_load.forget(1)
        assert under_load.kept() == [last]
        assert digests(within, columns) == under_load.digests[first]
        assert cannot_be_read(later, columns)
        # What was set within the transaction goes with it.
        within.commit()
        with pytest.raises(psycopg2.errors.InvalidParameterValue, match=f"publication {first} cannot be read"):
            digests(within, columns)
    assert list(under_load.faults_of_kept()) == []
