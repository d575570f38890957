from contextlib import closing

import pytest
from click.testing import CliRunner

from message_tracking.cli import main
from message_tracking.publication import open_candidate, shell_holder
from message_tracking.warehouse import fetch_all


@pytest.fixture
def run(monkeypatch, settings):
    """Run verbs on the test's warehouse."""
    monkeypatch.setenv("MESSAGE_TRACKING_HOME", str(settings.home))
    monkeypatch.setenv("MESSAGE_TRACKING_WAREHOUSE", settings.warehouse_url)
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def loaded(pipeline, landing):
    """A warehouse with reference data that no publication took in."""
    landing.describe()
    pipeline.load()


@pytest.fixture
def states(connection):
    def states():
        connection.rollback()
        return fetch_all(connection, "select status from ops.publications order by publication_id")

    return states


def test_a_candidate_left_open_by_a_shell_is_given_up(run, loaded, warehouse, states):
    open_candidate(warehouse, shell_holder())
    told = run("abandon")
    assert (told.exit_code, told.stdout) == (0, "Abandoned candidate 1 and undid it.\n")
    assert states() == [("abandoned",)]
    told = run("abandon")
    assert (told.exit_code, told.stdout) == (0, "No candidate is open: nothing to abandon.\n")


def test_the_candidate_of_a_dag_run_is_given_up_by_force_only(run, loaded, warehouse, states):
    open_candidate(warehouse, "publish_tracking_marts manual__1")
    told = run("abandon")
    assert told.exit_code == 3
    assert "publish_tracking_marts manual__1 has held candidate 1" in told.stderr
    assert "`message-tracking abandon --force`" in told.stderr
    assert states() == [("open",)]
    assert run("abandon", "--force").exit_code == 0
    assert states() == [("abandoned",)]


def test_the_candidate_of_a_living_run_is_given_up_by_force_only(run, loaded, warehouse, states):
    with closing(warehouse.connect("message-tracking run")) as session:
        open_candidate(warehouse, f"{shell_holder()}, process 1", session=session)
        told = run("abandon")
        assert told.exit_code == 3
        assert "when that process ends" in told.stderr
        assert states() == [("open",)]
        assert run("abandon", "--force").exit_code == 0
    assert states() == [("abandoned",)]


def test_the_candidate_of_a_dead_run_is_given_up(run, loaded, warehouse, states):
    with closing(warehouse.connect("message-tracking run")) as session:
        open_candidate(warehouse, f"{shell_holder()}, process 1", session=session)
    assert run("abandon").exit_code == 0
    assert states() == [("abandoned",)]


def test_who_meets_a_candidate_of_a_shell_is_told_how_to_give_it_up(run, loaded, warehouse):
    open_candidate(warehouse, shell_holder())
    told = run("rollback")
    assert told.exit_code == 3
    assert "`message-tracking abandon`" in told.stderr
