"""Marts that an analyst builds into a schema of their own, while the pipeline goes on."""

import shutil
from contextlib import closing
from dataclasses import replace

import pytest
from click.testing import CliRunner
from tests.warehouse.conftest import VERSIONED_MARTS

from message_tracking.building import build
from message_tracking.cli import main
from message_tracking.developing import build_trial, drop_trial
from message_tracking.errors import ConfigurationError, MessageTrackingError
from message_tracking.migrating import login_name
from message_tracking.pipeline import be_quiet
from message_tracking.publication import open_candidate
from message_tracking.warehouse import fetch_all

OWN = "dev_tracking_analyst_login"


@pytest.fixture
def analyst(pipeline, url_of):
    """The pipeline's settings, with the login of an analyst."""
    return replace(pipeline.settings, warehouse_url=url_of(login_name("tracking_analyst")))


@pytest.fixture
def dev(monkeypatch, analyst):
    """Run the verb as an analyst."""
    monkeypatch.setenv("MESSAGE_TRACKING_HOME", str(analyst.home))
    monkeypatch.setenv("MESSAGE_TRACKING_WAREHOUSE", analyst.warehouse_url)
    return lambda *arguments: CliRunner().invoke(main, ["dev", *arguments])


def test_all_marts_of_ones_own_are_those_published_while_a_candidate_is_half_built(
    pipeline, analyst, landing, golden, connection, connect_as, contents
):
    """The live publication recomputed one delivery, the open candidate has lost rows: all deliveries must be there."""
    landing.copy(golden("second-case"))
    pipeline.run()
    ((delivery,),) = fetch_all(connection, "select min(delivery_id) from marts.tracking_events")
    line = "60x00000000000000{}\t2026-01-05T09:00:00\t0\t{:x}\t1\t0\t\th\t\tMozilla/5.0\t203.0.113.10"
    landing.write_log([line.format("01", delivery)], server="edge-c")
    assert not pipeline.run().is_full
    landing.write_log([line.format("01", delivery), line.format("02", delivery)], server="edge-c")
    pipeline.load()
    with (
        closing(pipeline.warehouse.connect("another build")) as holder,
        closing(pipeline.warehouse.connect("its model")) as model,
    ):
        candidate = open_candidate(pipeline.warehouse, "another build", session=holder)
        build(pipeline.warehouse, pipeline.settings, candidate.publication_id, be_quiet)
        with connection, connection.cursor() as cursor:
            for mart in ("deliveries", "int_tracking_events__judged", "url_clicks"):
                cursor.execute(
                    f"update mart_store.{mart} set valid_to = %s where valid_to = 2147483647",
                    (candidate.publication_id,),
                )
        fetch_all(model, "select ops.hold_candidate(%s)", (candidate.publication_id,))
        before = contents(pipeline.warehouse.url)
        trial = build_trial(
            analyst,
            ["int_tracking_events__judged+", "deliveries+", "delivery_exclusions", "recipients", "url_types"],
            be_quiet,
        )
        assert contents(pipeline.warehouse.url) == before
    marts = {name: schema for schema, name in fetch_all(connection, VERSIONED_MARTS)}
    assert (trial.schema, trial.publication_id) == (OWN, 2)
    assert {"tracking_events", "recipients"} <= marts.keys() <= set(trial.relations)
    session = connect_as("tracking_analyst")
    for mart, schema in marts.items():
        names = fetch_all(
            connection,
            "select string_agg(quote_ident(column_name), ', ') from information_schema.columns where table_name = %s and table_schema = %s",
            (mart, schema),
        )[0][0]
        own, published = (f"select {names} from {place}.{mart}" for place in (OWN, schema))
        assert fetch_all(session, f"select count(*) > 0 from {OWN}.{mart}") == [(True,)], mart
        assert fetch_all(session, f"({own} except all {published}) union all ({published} except all {own})") == [], (
            mart
        )


def test_the_verb_says_where_the_result_is_or_what_failed_and_clears_it_away(
    pipeline, landing, golden, dev, connect_as, analyst, tmp_path
):
    landing.copy(golden("second-case"))
    pipeline.run()
    told = dev("url_clicks", "message_engagement")
    assert told.exit_code == 0, told.output
    assert "publication 1:\n" in told.stdout
    assert f"  {OWN}.url_clicks\n" in told.stdout
    session = connect_as("tracking_analyst")
    comment = f"select obj_description('{OWN}.url_clicks'::regclass) ~ '^One row per delivery'"
    assert fetch_all(session, comment) == [(True,)]
    indexes = "select count(*) from pg_indexes where schemaname = %s and tablename = 'message_engagement'"
    assert fetch_all(session, indexes, (OWN,)) == [(1,)]
    session.rollback()

    project = tmp_path / "project"
    shutil.copytree(analyst.dbt_project, project / "dbt_project", ignore=shutil.ignore_patterns("target", "logs"))
    model = project / "dbt_project" / "models" / "marts" / "click_stream" / "url_clicks.sql"
    model.write_text(model.read_text().replace("::integer as rank", "::bigint as rank"))
    with pytest.raises(MessageTrackingError, match="url_clicks: error: .*contract"):
        build_trial(replace(analyst, project=project), ["url_clicks"], be_quiet)

    assert dev("--drop").stdout == f"Dropped {OWN}.\n"
    assert fetch_all(session, "select from pg_namespace where nspname = %s", (OWN,)) == []
    assert drop_trial(analyst) == OWN


def test_before_the_first_publication_there_is_nothing_to_build_on(dev, connection):
    told = dev("deliveries")
    assert told.exit_code == 1
    assert "Nothing was published yet" in told.stderr
    assert "`message-tracking run`" in told.stderr
    assert fetch_all(connection, "select from pg_namespace where nspname ~ '^dev_'") == []


def test_what_cannot_be_built_is_refused_by_name(analyst, connection):
    with connection, connection.cursor() as cursor:
        cursor.execute("update ops.publication_state set live_publication = 1")
    with pytest.raises(ConfigurationError, match="no model or seed 'delivery'.*\n.*deliveries"):
        build_trial(analyst, ["deliveries", "delivery"], be_quiet)
    for model in ("stg_tracking__events", "publications+"):
        with pytest.raises(ConfigurationError, match=f"{model.removesuffix('+')} reads the schemas raw or ops"):
            build_trial(analyst, [model], be_quiet)
    assert fetch_all(connection, "select from pg_namespace where nspname ~ '^dev_'") == []


def test_a_login_that_is_no_analyst_s_is_told_what_it_lacks(analyst, stranger, database):
    with pytest.raises(MessageTrackingError, match=f"grant tracking_analyst to stranger_{database}"):
        build_trial(replace(analyst, warehouse_url=stranger), ["deliveries"], be_quiet)


@pytest.mark.parametrize("arguments", [(), ("deliveries", "--drop")])
def test_the_verb_wants_models_or_drop(dev, arguments):
    told = dev(*arguments)
    assert told.exit_code == 2
    assert "Name what to build, or give --drop alone." in told.stderr
