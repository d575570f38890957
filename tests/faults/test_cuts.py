"""Connections that are cut between any two statements: it is told, nothing is half done, and done again it is all done."""

import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count

import psycopg2
import pytest
from click.testing import CliRunner
from tests.conftest import new_database, reject_long_ids
from tests.faults.cutting import ANSWER, STATEMENT, Wire
from tests.faults.survival import CASE, COMPARED
from tests.warehouse.archive import judged_archive, log_lines
from tests.warehouse.conftest import Landing, Pipeline

from message_tracking.building import build
from message_tracking.cli import main
from message_tracking.errors import HeldError, MessageTrackingError
from message_tracking.loading.delivery_data import load_delivery_data
from message_tracking.loading.ledger import register_source
from message_tracking.loading.replaying import replay_rejected_lines
from message_tracking.loading.tracking_logs import load_tracking_logs
from message_tracking.pipeline import be_quiet
from message_tracking.publication import (
    abandon_open,
    forget_old_versions,
    open_candidate,
    publish,
    refuse,
    rollback,
    shell_holder,
)
from message_tracking.settings import Settings
from message_tracking.transports.opening import open_source
from message_tracking.validation.gate import validate
from message_tracking.warehouse import PIPELINE_ROLE, Warehouse, fetch_all

PATIENCE = 30
PUBLICATIONS = {
    "what is live": "select * from (select live_publication, candidate_publication is null from ops.publication_state) as state",
    "publications": "select (status, is_kept, closed_at is null, event_count)::text from ops.publications",
}
BALANCE = """
    select
        sum(line_count) = sum(accepted_count + rejected_count + already_loaded_count + erased_count),
        sum(accepted_count) filter (where kind = 'tracking_log') = (select count(*) from raw.events)
    from ops.file_ledger
    where status = 'loaded'
"""


@dataclass(frozen=True)
class Operation:
    """What is done over a connection that breaks, and what is done before it."""

    run: Callable[[Pipeline], object]
    prepare: Callable[[Pipeline], object] = lambda _: None


def source_of(pipeline):
    return pipeline.sources.named("campaign")


def load_logs(pipeline):
    return load_tracking_logs(pipeline.warehouse, open_source(source_of(pipeline)), "edge-a")


def publish_second(pipeline):
    publish(pipeline.warehouse, pipeline.settings, 2)


def roll_back(pipeline):
    """Show the first publication, which it may do already."""
    try:
        rollback(pipeline.warehouse, 1)
    except MessageTrackingError as error:
        if "already live" not in str(error):
            raise


def load_strictly(pipeline):
    """Load while ids of eight digits are rejected."""
    with pytest.MonkeyPatch.context() as patch:
        reject_long_ids(patch)
        load_logs(pipeline)


LOADS = {
    "load logs": Operation(load_logs),
    "load reference data": Operation(
        lambda pipeline: load_delivery_data(pipeline.warehouse, open_source(source_of(pipeline)))
    ),
    "replay": Operation(
        lambda pipeline: replay_rejected_lines(pipeline.warehouse, source_of(pipeline), "edge-a"), load_strictly
    ),
}
PUBLISHINGS = {
    "open a candidate": Operation(
        lambda pipeline: open_candidate(pipeline.warehouse, shell_holder()),
        lambda pipeline: abandon_open(pipeline.warehouse),
    ),
    "publish": Operation(publish_second),
    "refuse": Operation(lambda pipeline: refuse(pipeline.warehouse, 2, "it is wrong")),
    "abandon": Operation(lambda pipeline: abandon_open(pipeline.warehouse)),
    "roll back": Operation(
        roll_back,
        publish_second,
    ),
    "forget": Operation(
        lambda pipeline: forget_old_versions(pipeline.warehouse, 1),
        publish_second,
    ),
}


@pytest.fixture
def loading(server, tmp_path):
    """Pipelines, each over an empty warehouse of its own, and the same files: good ones, a refused and an ignored one."""
    landing = Landing(tmp_path / "landing" / "campaign")
    landing.copy(CASE)
    (landing.folder / "logs" / "edge-a" / "0x00000000000000BB.log.gz").write_bytes(b"no gzip")
    (landing.folder / "logs" / "edge-a" / "notes.txt").touch()
    (landing.folder / "contents").mkdir()
    for part in ("html", "txt"):
        (landing.folder / "contents" / f"451406839.{part}").write_text("<a href='https://www.example/'>here</a>")
    (tmp_path / "sources.yml").write_text("sources: [{name: campaign, kind: folder, path: landing/campaign}]\n")

    @contextmanager
    def new_pipeline():
        with new_database(server) as name:
            warehouse = Warehouse(f"{server.url(PIPELINE_ROLE).rpartition('/')[0]}/{name}")
            # A number that was taken and not used is not given again: not what is compared here.
            with closing(warehouse.connect("test")) as connection:
                register_source(connection, "campaign")
            yield Pipeline(warehouse, Settings(tmp_path, warehouse.url, tmp_path / "sources.yml"))

    return new_pipeline


@pytest.fixture(scope="module")
def publishing(server, tmp_path_factory):
    """Pipelines, each over a copy of a warehouse with a publication, 1, and a judged candidate, 2."""
    with judged_archive(server, tmp_path_factory.mktemp("archive") / "home") as archive:
        pipeline = archive.original
        publish(pipeline.warehouse, pipeline.settings, 1)
        archive.landing.write_log(
            log_lines([(205, 2000, 1), (206, 2000, 2001)], counter=1000), name="0x00000000000003E8.log"
        )
        pipeline.load()
        open_candidate(pipeline.warehouse, shell_holder())
        build(pipeline.warehouse, pipeline.settings, 2, be_quiet)
        assert validate(pipeline.warehouse, pipeline.settings, 2, be_quiet).is_publishable
        yield archive.copy


def rows_of(pipeline, queries):
    """The rows of each query, sorted."""
    with closing(pipeline.warehouse.connect("test")) as connection:
        return {name: sorted(map(str, fetch_all(connection, query))) for name, query in queries.items()}


def published(pipeline):
    """What is published and the rows of all marts, with the versions that are kept of them."""
    with closing(pipeline.warehouse.connect("test")) as connection:
        stores = fetch_all(
            connection, "select relname from pg_class where relnamespace = 'mart_store'::regnamespace and relkind = 'r'"
        )
    return rows_of(pipeline, PUBLICATIONS | {store: f"select * from mart_store.{store}" for (store,) in stores})


def is_balanced(pipeline):
    with closing(pipeline.warehouse.connect("test")) as connection:
        return False not in fetch_all(connection, BALANCE)[0]


def again(run, pipeline):
    """Do it again, as soon as the server has noticed that the first one is gone."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return run(pipeline)
        except HeldError:
            assert time.monotonic() < until
            time.sleep(0.02)


def cut(pipelines, operation, lost, place, read, expected, is_whole):
    """Cut the operation at one of its statements, then do it again; False where it has none so late."""
    with pipelines() as pipeline, Wire(pipeline.warehouse, lost, place) as wire:
        operation.prepare(pipeline)
        try:
            operation.run(Pipeline(wire.warehouse, replace(pipeline.settings, warehouse_url=wire.warehouse.url)))
            is_told = False
        except (psycopg2.OperationalError, psycopg2.InterfaceError, MessageTrackingError):
            is_told = True
        if not wire.is_cut:
            return False
        where = f"{lost} {place} was lost: {wire.last_statement}"
        assert is_whole(pipeline), where
        assert is_told or read(pipeline) == expected, where
        again(operation.run, pipeline)
        assert read(pipeline) == expected, where
    return True


def cut_everywhere(pipelines, operation, stride, read, is_whole=lambda _: True):
    """Cut the operation at every so many of its statements in turn; returns how often it was cut.

    `read` gives what the operation is about, `is_whole` whether nothing of it is half done.
    """
    with pipelines() as pipeline:
        operation.prepare(pipeline)
        operation.run(pipeline)
        expected = read(pipeline)
    cuts = 0
    for lost in (STATEMENT, ANSWER):
        places = count(1, stride)
        while cut(pipelines, operation, lost, next(places), read, expected, is_whole):
            cuts += 1
    return cuts


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", LOADS)
def test_a_load_that_is_cut(loading, name, stride):
    cuts = cut_everywhere(loading, LOADS[name], stride, lambda pipeline: rows_of(pipeline, COMPARED), is_balanced)
    assert cuts * stride > 50


@pytest.mark.parametrize("name", PUBLISHINGS)
def test_a_publication_that_is_cut(publishing, name):
    assert cut_everywhere(publishing, PUBLISHINGS[name], 1, published) > 5


def test_a_rollback_whose_answer_is_lost_is_not_done_twice_unseen(publishing, monkeypatch):
    place = None
    for exit_code in (0, 1):
        with publishing() as pipeline, Wire(pipeline.warehouse, ANSWER, place) as wire:
            publish_second(pipeline)
            monkeypatch.setenv("MESSAGE_TRACKING_WAREHOUSE", wire.warehouse.url)
            told = CliRunner().invoke(main, ["rollback"])
            assert told.exit_code == exit_code
            assert published(pipeline)["what is live"] == ["(1, True)"]
            place = len(wire.statements) - wire.statements[::-1].index("COMMIT")
    assert "look at `message-tracking status` before you do it again" in told.stderr
