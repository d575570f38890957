"""What the `versioned` materialization does when a model changes under the warehouse's feet."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from message_tracking.building import build, run_dbt
from message_tracking.errors import MessageTrackingError
from message_tracking.pipeline import be_quiet
from message_tracking.publication import open_candidate
from message_tracking.warehouse import fetch_all


@pytest.fixture
def changed_project(pipeline, tmp_path):
    """A copy of the project whose models a test may change, and the pipeline over it."""
    project = tmp_path / "project"
    shutil.copytree(
        pipeline.settings.dbt_project, project / "dbt_project", ignore=shutil.ignore_patterns("target", "logs")
    )
    (project / "expectations").symlink_to(pipeline.settings.expectations)

    def change(file: str, old: str, new: str) -> None:
        path = project / "dbt_project" / "models" / "marts" / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        pipeline.settings = replace(pipeline.settings, project=project)

    return change


def publications(connection):
    connection.rollback()
    return fetch_all(connection, "select status from ops.publications order by publication_id")


def test_a_model_that_breaks_its_contract_publishes_nothing(pipeline, landing, golden, changed_project, connection):
    landing.copy(golden("second-case"))
    changed_project("click_stream/url_clicks.sql", "::integer as rank", "::bigint as rank")
    pipeline.load()
    with pytest.raises(MessageTrackingError, match="url_clicks: error: .*contract"):
        pipeline.publish()
    assert publications(connection) == [("abandoned",)]
    stores = fetch_all(connection, "select count(*) from mart_store.int_tracking_events__judged")
    assert stores == [(0,)]


def test_a_model_that_gives_rows_of_other_deliveries_publishes_nothing(pipeline, landing, golden, changed_project):
    """The gate looks at the deliveries that are touched only."""
    landing.copy(golden("second-case"))
    changed_project(
        "hot_clicks/hot_clicks.sql", "select\n    delivery_id,", "select\n    delivery_id + 1 as delivery_id,"
    )
    pipeline.load()
    with pytest.raises(
        MessageTrackingError, match="hot_clicks gives rows of delivery_id [0-9]+, which the candidate does"
    ):
        pipeline.publish()


def test_a_new_column_is_computed_for_all_rows_and_keeps_dependent_views(
    pipeline, landing, golden, changed_project, connection, connect_as
):
    landing.copy(golden("second-case"))
    pipeline.run()
    with connection, connection.cursor() as cursor:
        cursor.execute("create view public.analysts_view as select delivery_id, click_count from marts.url_clicks")
        cursor.execute("grant select on public.analysts_view to bi_reader")
    add_column(changed_project)
    assert pipeline.publish().is_full
    reader = connect_as("bi_reader")
    assert fetch_all(reader, "select count(*) from marts.url_clicks where is_clicked is null") == [(0,)]
    assert fetch_all(reader, "select count(*) > 0 from public.analysts_view") == [(True,)]
    assert pipeline.publish() is None


def test_a_new_column_waits_for_who_reads_and_nobody_for_it(
    pipeline, landing, golden, changed_project, warehouse, connect_as
):
    """An analyst keeps a transaction open that has read a seed and holds the mart's view but not what is behind it."""
    landing.copy(golden("second-case"))
    pipeline.run()
    add_column(changed_project)
    analyst, reader = connect_as("tracking_analyst"), connect_as("bi_reader")
    fetch_all(analyst, "select ops.make_analyst_schema()")
    analyst.commit()
    analyst.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
    seed = "select * from staging.channels order by code"
    channels = fetch_all(analyst, seed)
    with analyst.cursor() as cursor:
        cursor.execute("create view dev_tracking_analyst_login.clicks as select click_count from marts.url_clicks")
    reader.autocommit = True
    fetch_all(reader, "select set_config('lock_timeout', '5s', false)")
    count = "select count(*) from marts.url_clicks"
    before = fetch_all(reader, count)
    with ThreadPoolExecutor() as threads, closing(warehouse.connect("test")) as observer, closing(analyst):
        published = threads.submit(pipeline.publish)
        observer.autocommit = True
        waiting = "select from pg_locks where not granted and relation = 'marts.url_clicks'::regclass"
        while not published.done() and not fetch_all(observer, waiting):
            time.sleep(0.01)
        assert not published.done()
        assert fetch_all(reader, count) == before
        assert fetch_all(analyst, seed) == channels
        assert fetch_all(analyst, "select count(*) from dev_tracking_analyst_login.clicks") == before
        analyst.commit()
        assert published.result().is_full
    assert fetch_all(reader, "select count(*) from marts.url_clicks where is_clicked is null") == [(0,)]


def test_a_write_holds_its_candidate(pipeline, landing, golden, warehouse, connection):
    """Nobody can open another candidate, and undo this one, between the check of the number and the end of the write."""
    landing.copy(golden("second-case"))
    pipeline.load()
    candidate = open_candidate(warehouse, "test").publication_id
    build(warehouse, pipeline.settings, candidate, be_quiet)
    with ThreadPoolExecutor() as threads, closing(warehouse.connect("test")) as blocker:
        blocker.cursor().execute("lock table mart_store.deliveries in row exclusive mode")
        again = threads.submit(
            run_dbt, warehouse, pipeline.settings, ["run", "--select", "deliveries"], candidate, be_quiet
        )
        waiting = "select pid from pg_locks where not granted and relation = 'mart_store.deliveries'::regclass"
        while not again.done() and not (writers := fetch_all(connection, waiting)):
            time.sleep(0.01)
        assert not again.done()
        held = "select count(*) > 0 from pg_locks where granted and pid = %s and relation = 'ops.publication_state'::regclass"
        assert fetch_all(connection, held, writers[0]) == [(True,)]
        blocker.rollback()
        assert [result["status"] for result in again.result()] == ["success"]


def add_column(changed_project):
    """Let the mart url_clicks have one more column."""
    changed_project(
        "click_stream/url_clicks.sql",
        " as human_rank\nfrom counted",
        " as human_rank,\n    click_count > 0 as is_clicked\nfrom counted",
    )
    changed_project(
        "click_stream/_click_stream__models.yml",
        "      - name: rank\n",
        "      - {name: is_clicked, data_type: boolean, description: Whether anyone clicked.}\n      - name: rank\n",
    )


def test_a_changed_seed_changes_all_deliveries(pipeline, landing, golden, changed_project, connection):
    landing.copy(golden("second-case"))
    pipeline.run()
    errors = "select sum(error_count) from marts.deliveries"
    assert fetch_all(connection, errors)[0][0] > 0
    changed_project("../../seeds/message_statuses.csv", "2,Failed,false,true,false", "2,Failed,false,false,false")
    assert pipeline.publish().is_full
    connection.rollback()
    assert fetch_all(connection, errors) == [(0,)]


def test_a_column_of_another_type_is_refused(pipeline, landing, golden, changed_project):
    landing.copy(golden("second-case"))
    pipeline.run()
    changed_project("click_stream/url_clicks.sql", "::integer as rank", "::bigint as rank")
    changed_project(
        "click_stream/_click_stream__models.yml",
        "      - name: rank\n        data_type: integer",
        "      - name: rank\n        data_type: bigint",
    )
    with pytest.raises(MessageTrackingError, match="rank is integer and the model gives bigint"):
        pipeline.publish()
