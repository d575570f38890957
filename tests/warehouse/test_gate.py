"""What the gate makes of checks that fail, that cannot run, or that never ran."""

import shutil
import signal
from dataclasses import replace

import psutil
import pytest

from message_tracking.building import build
from message_tracking.errors import MessageTrackingError, RefusedError
from message_tracking.pipeline import be_quiet
from message_tracking.publication import open_candidate, publish
from message_tracking.validation.gate import validate
from message_tracking.warehouse import fetch_all


@pytest.fixture
def candidate(pipeline, landing, golden):
    """The number of an open candidate that was built from the second golden case."""
    landing.copy(golden("second-case"))
    pipeline.load()
    opened = open_candidate(pipeline.warehouse, "test")
    build(pipeline.warehouse, pipeline.settings, opened.publication_id, be_quiet)
    return opened.publication_id


@pytest.fixture
def with_suite(pipeline, tmp_path):
    """The pipeline's settings with one suite file in place of its own."""

    def replaced(relation: str, text: str):
        project = tmp_path / "project"
        shutil.copytree(pipeline.settings.expectations, project / "expectations")
        (project / "dbt_project").symlink_to(pipeline.settings.dbt_project)
        (project / "expectations" / f"{relation}.py").write_text(text, encoding="utf-8")
        return replace(pipeline.settings, project=project)

    return replaced


def test_all_keys_of_doubled_rows_are_kept(pipeline, candidate, connection):
    with connection, connection.cursor() as cursor:
        cursor.execute("insert into mart_store.tracking_events select * from mart_store.tracking_events")
        cursor.execute("select count(*) from mart_store.tracking_events")
        doubled = cursor.fetchone()[0] // 2
    verdict = validate(pipeline.warehouse, pipeline.settings, candidate, be_quiet)
    assert not verdict.is_publishable
    keys = fetch_all(
        connection,
        """
        select count(*), count(distinct failing_key) from ops.failing_keys
        inner join ops.check_results using (check_result_id)
        where check_name = 'grain_event_id'
        """,
    )
    assert keys == [(doubled, doubled)]


def test_a_check_that_cannot_run_is_critical_even_if_it_would_only_warn(pipeline, candidate, with_suite):
    settings = with_suite(
        "recipients",
        "from great_expectations import ExpectationSuite\n"
        "from message_tracking.validation.rules import never, structure\n"
        "SUITE = ExpectationSuite(name='recipients', expectations=[\n"
        "    structure('recipient_id', 'shoe_size'),\n"
        "    never('shoes_fit', 'Shoes fit.', 'select shoe_size from {batch}', severity='warning'),\n"
        "])\n",
    )
    verdict = validate(pipeline.warehouse, settings, candidate, be_quiet)
    found = {finding.check: finding for finding in verdict.findings if finding.relation == "recipients"}
    assert found["structure"].severity == "critical"
    assert "could not be checked" in found["shoes_fit"].message
    assert "shoe_size" in found["shoes_fit"].message
    assert found["shoes_fit"].severity == "critical"
    with pytest.raises(RefusedError, match="shoes_fit"):
        publish(pipeline.warehouse, settings, candidate)


def test_interrupted_dbt_tests_are_no_verdict(pipeline, candidate):
    """Interrupt dbt in earnest once its first test has passed; what it recorded by then must not be enough."""

    def interrupt(line: str) -> None:
        if " 2 of " in line and "START test" in line:
            dbt = next(one for one in psutil.Process().children() if "dbt" in " ".join(one.cmdline()))
            dbt.send_signal(signal.SIGINT)

    with pytest.raises(MessageTrackingError, match="did not come to its end"):
        validate(pipeline.warehouse, pipeline.settings, candidate, interrupt)
    with pytest.raises(RefusedError, match="no result: .*dbt_tests"):
        publish(pipeline.warehouse, pipeline.settings, candidate)


def test_an_amount_of_any_length_is_read(pipeline, landing, connection):
    landing.describe(tracked_urls=["5,1000,5,Basket,,https://www.example/basket,0,html,"])
    amount = "1." + "5" * 17000
    landing.write_log(
        [f"50x0000000000000001\t2026-01-05T09:00:00\t65\t3e8\t5\t0\t\th\tamount={amount}\tMozilla/5.0\t203.0.113.10"]
    )
    assert pipeline.run() is not None
    assert fetch_all(connection, "select round(transaction_amount, 3) = 1.556 from marts.tracking_events") == [(True,)]


def test_readers_find_a_delivery_by_an_index(pipeline, candidate, connection):
    missing = fetch_all(
        connection,
        """
        select columns.table_name
        from information_schema.columns
        where columns.table_schema = 'mart_store' and columns.column_name = 'delivery_id'
        and not exists (
            select from pg_indexes
            where schemaname = 'mart_store' and tablename = columns.table_name
            and indexdef ~ '\\(delivery_id' and indexdef !~ ' WHERE '
        )
        """,
    )
    assert missing == []
