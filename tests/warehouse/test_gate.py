"""What the gate makes of checks that fail, that cannot run, or that never ran."""

import signal
import threading
from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest
from tests.warehouse.archive import plant, project_copy
from tests.warehouse.poisons import stored_publication

from message_tracking.cli import main
from message_tracking.errors import RefusedError
from message_tracking.pipeline import be_quiet, publish_what_is_new
from message_tracking.publication import publish
from message_tracking.validation.gate import run_dbt_tests
from message_tracking.validation.records import Records
from message_tracking.validation.running import run_suites
from message_tracking.validation.verdict import DBT_SUITE, read_verdict
from message_tracking.warehouse import fetch_all


@pytest.fixture
def judged(archive):
    """The pipeline over a copy of a warehouse whose candidate, number 1, was built and judged and may be published."""
    with archive.copy() as pipeline:
        yield pipeline


@pytest.fixture
def records(judged):
    """What is written for the candidate's build."""
    with closing(judged.warehouse.connect("test")) as connection:
        yield Records.of_open_candidate(connection, 1)


def forget(*suites: str) -> str:
    """Delete all results of these suites, as if they had never run."""
    runs = f"(select check_run_id from ops.check_runs where suite = any (array{list(suites)}))"
    return f"""
    delete from ops.failing_keys where check_result_id in (
        select check_result_id from ops.check_results where check_run_id in {runs}
    );
    delete from ops.check_results where check_run_id in {runs};
    delete from ops.check_runs where check_run_id in {runs};
    """


TAMPERINGS = {
    "one result of a suite is missing": (
        "delete from ops.check_results where relation = 'deliveries' and check_name = 'statuses_are_known'",
        r"no result: deliveries: statuses_are_known\.",
    ),
    "one result of the dbt tests is missing": (
        "delete from ops.check_results where check_name = 'unique_deliveries_delivery_id'",
        r"no result: dbt_tests: unique_deliveries_delivery_id\.",
    ),
    "a suite did not run": (forget("recipients"), r"no result: recipients\."),
    "the dbt tests did not run": (forget(DBT_SUITE), r"no result: dbt_tests\."),
    "a suite had nothing to check": (
        "update ops.check_runs set expected_checks = '{}' where suite = 'recipients'",
        r"no result: recipients\.",
    ),
    "a suite ran that is no more": (
        "update ops.check_runs set suite = 'shoes' where suite = 'recipients'",
        r"no result: recipients, shoes\.",
    ),
    "the results are another candidate's": (
        stored_publication("refused") + "; update ops.check_runs set publication_id = 100 where suite = 'recipients'",
        r"no result: recipients\.",
    ),
    "a model was built again": (
        """
        insert into ops.model_builds (publication_id, model, column_names, opened_count, closed_count)
        select publication_id, model, column_names, 0, 0 from ops.model_builds where model = 'recipients'
        """,
        r"no result: .*dbt_tests, .*deliveries, .*, url_label_clicks\b",
    ),
    "a model was not built": (
        "update ops.model_builds set model = 'deliveries' where model = 'recipients'",
        r"no result: build of recipients\.",
    ),
    "a view was not built": (
        "update ops.model_builds set model = 'deliveries' where model = 'source_freshness'",
        r"no result: build of source_freshness\.",
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_what_lacks_a_result_of_this_build_is_not_published(judged, records, tampering):
    statement, message = TAMPERINGS[tampering]
    plant(judged.warehouse, statement)
    with pytest.raises(RefusedError, match=message):
        publish(judged.warehouse, judged.settings, 1)
    shown = fetch_all(records.connection, "select live_publication, candidate_publication from ops.publication_state")
    assert shown == [(0, 1)]


def delete_suite(project):
    (project / "expectations" / "recipients.py").unlink()
    return r"no result: recipients\."


def add_suite(project):
    (project / "expectations" / "shoes.py").write_text("SUITE = None\n")
    return r"no result: shoes\."


def change_suite(project):
    with (project / "expectations" / "recipients.py").open("a") as file:
        file.write("# Shoes fit.\n")
    return r"no result: recipients \(changed since it was run\)\."


def publish_relation_without_suite(project):
    (project / "dbt_project" / "models" / "marts" / "recipients" / "shoes.sql").write_text("select 1 as shoe_size\n")
    return r"no result: shoes, build of shoes\."


def change_dbt_tests(project):
    with (project / "dbt_project" / "models" / "marts" / "recipients" / "_recipients__models.yml").open("a") as file:
        file.write("# Shoes fit.\n")
    return r"no result: dbt_tests \(changed since it was run\)\."


@pytest.mark.parametrize(
    "change", [delete_suite, add_suite, change_suite, publish_relation_without_suite, change_dbt_tests]
)
def test_what_is_judged_by_other_suites_than_there_are_now_is_not_published(judged, tmp_path, change):
    settings = replace(judged.settings, project=project_copy(judged.settings, tmp_path))
    message = change(settings.project)
    with pytest.raises(RefusedError, match=message):
        publish(judged.warehouse, settings, 1)


def test_the_verb_refuses_too_and_names_what_is_missing(judged, monkeypatch, capsys):
    monkeypatch.setenv("MESSAGE_TRACKING_WAREHOUSE", judged.warehouse.url)
    monkeypatch.setenv("MESSAGE_TRACKING_HOME", str(judged.settings.home))
    plant(judged.warehouse, forget("recipients"))
    with pytest.raises(SystemExit) as ended:
        main(["publish"])
    assert ended.value.code == 4
    assert "recipients: no result of this build is recorded" in capsys.readouterr().err


def test_a_run_refuses_too_and_undoes_what_it_built(pipeline, landing, golden, connection):
    landing.copy(golden("second-case"))
    pipeline.load()

    def tamper(said):
        if "Publish 1 …" in said:
            plant(pipeline.warehouse, forget("recipients"))

    with pytest.raises(RefusedError, match=r"no result: recipients\."):
        publish_what_is_new(pipeline.warehouse, pipeline.settings, report=tamper)
    states = fetch_all(connection, "select status, verdict from ops.publications")
    assert states == [("abandoned", "the run failed: RefusedError")]
    assert fetch_all(connection, "select count(*) from mart_store.int_tracking_events__judged") == [(0,)]


def test_suites_after_an_interruption_have_no_result(judged, records):
    plant(judged.warehouse, forget("recipients", "source_freshness", "url_label_clicks"))

    def interrupt(said):
        if said == "suite source_freshness":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suites(records, judged.warehouse, judged.settings, interrupt)
    with pytest.raises(RefusedError, match=r"no result: source_freshness, url_label_clicks\."):
        publish(judged.warehouse, judged.settings, 1)


def test_a_suite_interrupted_halfway_has_no_result(judged, records):
    """The server ends the transaction once the first results of the suite are written."""
    plant(
        judged.warehouse,
        forget("recipients"),
        "alter table ops.check_results add check (check_name <> 'recipients_are_the_reference_data_s') not valid",
    )
    with pytest.raises(psycopg2.errors.CheckViolation):
        run_suites(records, judged.warehouse, judged.settings, be_quiet)
    with pytest.raises(RefusedError, match=r"no result: recipients\."):
        publish(judged.warehouse, judged.settings, 1)


@pytest.fixture
def interruptible():
    """Let SIGINT interrupt, which whoever runs the tests in the background has it not do."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupted_dbt_tests_have_no_result(judged, records, interruptible):
    """Interrupt dbt in earnest once its first test has passed; what it recorded by then must not be enough."""
    plant(judged.warehouse, forget(DBT_SUITE))

    def interrupt(line: str) -> None:
        if line.startswith("2 of ") and "START test" in line:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_dbt_tests(records, judged.warehouse, judged.settings, interrupt)
    with pytest.raises(RefusedError, match=r"no result: dbt_tests\."):
        publish(judged.warehouse, judged.settings, 1)


def test_a_check_that_cannot_run_is_critical_even_if_it_would_only_warn(judged, records, tmp_path):
    project = project_copy(judged.settings, tmp_path)
    (project / "expectations" / "recipients.py").write_text(
        "from great_expectations import ExpectationSuite\n"
        "from message_tracking.validation.rules import never, structure\n"
        "SUITE = ExpectationSuite(name='recipients', expectations=[\n"
        "    structure('recipient_id', 'shoe_size'),\n"
        "    never('shoes_fit', 'Shoes fit.', 'select shoe_size from {batch}', severity='warning'),\n"
        "])\n",
    )
    settings = replace(judged.settings, project=project)
    run_suites(records, judged.warehouse, settings, be_quiet)
    found = {finding.check: finding for finding in read_verdict(records.connection, settings, 1).findings}
    assert found.keys() == {"structure", "shoes_fit"}
    assert found["structure"].severity == "critical"
    assert found["structure"].keys == ({"missing_column": "shoe_size"},)
    assert "could not be checked" in found["shoes_fit"].message
    assert "shoe_size" in found["shoes_fit"].message
    assert found["shoes_fit"].severity == "critical"
    with pytest.raises(RefusedError, match="shoes_fit"):
        publish(judged.warehouse, settings, 1)


def test_the_checks_of_a_relation_that_is_gone_are_critical_and_the_others_run(judged, records):
    plant(judged.warehouse, "drop view audit.recipients")
    run_suites(records, judged.warehouse, judged.settings, be_quiet)
    findings = read_verdict(records.connection, judged.settings, 1).findings
    assert {finding.relation for finding in findings} == {"recipients"}
    assert {finding.severity for finding in findings} == {"critical"}
    with pytest.raises(RefusedError, match=r"recipients: grain_recipient_id: .* could not be checked: .*recipients"):
        publish(judged.warehouse, judged.settings, 1)


def test_thousands_of_failing_keys_are_all_kept_and_a_few_are_told(judged, records):
    plant(
        judged.warehouse,
        """
        insert into raw.recipients
        select load_id, null, 100000 + number, first_name, last_name, email, email_format, modified_at
        from raw.recipients, generate_series(1, 20000) as number
        where recipient_id = 100
        """,
        """
        insert into mart_store.recipients
        select valid_from, valid_to, 100000 + number, repeat('long ', 1000), last_name, email, email_format
        from mart_store.recipients, generate_series(1, 20000) as number, generate_series(1, 2)
        where recipient_id = 100
        """,
    )
    run_suites(records, judged.warehouse, judged.settings, be_quiet)
    verdict = read_verdict(records.connection, judged.settings, 1)
    counted = {finding.check: finding.failing_count for finding in verdict.findings}
    assert counted == {"grain_recipient_id": 20000}
    kept = fetch_all(
        records.connection,
        """
        select check_name, count(*), count(distinct failing_key) from ops.failing_keys
        inner join ops.check_results using (check_result_id)
        group by check_name order by check_name
        """,
    )
    assert kept == [("grain_recipient_id", 20000, 20000)]
    assert len(verdict.report()) < 2000


def test_a_long_key_is_cut_in_the_message_and_kept_whole(judged, records):
    plant(judged.warehouse, "update mart_store.url_category_clicks set category = repeat('long ', 1000)")
    run_suites(records, judged.warehouse, judged.settings, be_quiet)
    verdict = read_verdict(records.connection, judged.settings, 1)
    (finding,) = [one for one in verdict.findings if one.check == "adds_up_the_links"]
    assert "long long" in str(finding)
    assert len(str(finding)) < 3000
    assert max(len(str(key)) for key in finding.keys) > 5000


def test_an_amount_of_any_length_is_read(pipeline, landing, connection):
    landing.describe(tracked_urls=["5,1000,5,Basket,,https://www.example/basket,0,html,"])
    amount = "1." + "5" * 17000
    landing.write_log(
        [f"50x0000000000000001\t2026-01-05T09:00:00\t65\t3e8\t5\t0\t\th\tamount={amount}\tMozilla/5.0\t203.0.113.10"]
    )
    assert pipeline.run() is not None
    assert fetch_all(connection, "select round(transaction_amount, 3) = 1.556 from marts.tracking_events") == [(True,)]


def test_readers_find_a_delivery_by_an_index(records):
    missing = fetch_all(
        records.connection,
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
