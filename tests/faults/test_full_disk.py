"""Disks that are full: it is said, nothing is lost, and once there is space the next run does the rest."""

import json
from contextlib import closing

import pytest
from tests.faults.small_disk import small_disk

from message_tracking.sample import SampleOptions, generate_sample
from message_tracking.warehouse import Warehouse, fetch_all

MIB = 1 << 20
LINES = 60_000


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A folder, on another disk, with a sample and the sources file that names it."""
    folder = tmp_path_factory.mktemp("sample")
    generate_sample(SampleOptions(LINES, deliveries=4, servers=1, without=frozenset({"consents"})), folder / "campaign")
    (folder / "sources.yml").write_text("sources: [{name: campaign, kind: folder, path: campaign}]\n")
    return folder


@pytest.fixture(scope="module")
def planted(sample):
    """What is in the sample."""
    return json.loads((sample / "campaign" / "planted.json").read_text())


@pytest.fixture(scope="module")
def disk(home_of_module):
    """A home on a small disk, with a migrated warehouse."""
    with small_disk(home_of_module, "400m") as disk:
        disk.tracking("migrate").check_returncode()
        yield disk


@pytest.fixture
def track(disk, sample):
    """Run a verb over the sample."""
    return lambda *arguments: disk.tracking(*arguments, MESSAGE_TRACKING_SOURCES=str(sample / "sources.yml"))


@pytest.fixture
def query(disk):
    """Ask the warehouse, which answers from outside too."""

    def run(text):
        with closing(Warehouse(disk.tracking("dsn").stdout.strip()).connect("test")) as connection:
            return fetch_all(connection, text)

    return run


def told(done):
    """What a verb says that has failed."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr


def test_a_sample_that_does_not_fit(disk):
    disk.fill(MIB)
    assert "Error: The disk is full" in told(disk.tracking("sample", "--lines", "50000"))
    disk.run("rm", "-r", str(disk.folder / "landing")).check_returncode()


def test_a_load_whose_server_runs_out_of_space(disk, track, query, planted):
    disk.fill(12 * MIB)
    # Without space for its log Postgres stops, and starts again.
    said = told(track("load"))
    assert "The disk of the warehouse's server is full" in said or "The warehouse's server has ended the work" in said
    disk.free()
    track("load").check_returncode()
    assert query(
        "select sum(line_count) = sum(accepted_count + rejected_count + already_loaded_count), sum(accepted_count) "
        "from ops.file_ledger where kind = 'tracking_log' and status = 'loaded'"
    ) == [(True, planted["good_line_count"])]
    assert query("select count(*) from raw.events") == [(planted["good_line_count"],)]


def test_a_run_without_space(disk, track, query, planted):
    disk.fill(0)
    assert "No space left on device" in told(track("run"))
    disk.free()
    track("run").check_returncode()
    counted = planted["good_line_count"] - planted["duplicate_open_count"]
    assert query("select count(*) from marts.tracking_events where is_counted") == [(counted,)]
