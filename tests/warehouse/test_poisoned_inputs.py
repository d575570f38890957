"""Every check of the gate has been seen red: by poisoned input files where an input can cause it, else by planting it."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from psycopg2 import sql
from tests.warehouse.archive import (
    CONTACT,
    DELIVERIES,
    EVENTS,
    EXCLUSIONS,
    MESSAGES,
    RECIPIENTS,
    TRACKED_URLS,
    log_lines,
    plant,
    project_copy,
    write_body,
)
from tests.warehouse.poisons import (
    CLEAN,
    DBT_TESTS,
    HOSTILE,
    HOSTILE_IN_MARTS,
    HOSTILE_SERVER,
    INPUTS,
    PEOPLE,
    STORED,
    write_hostile_source,
)

from message_tracking.building import build, read_manifest
from message_tracking.pipeline import be_quiet
from message_tracking.publication import open_candidate, publish
from message_tracking.settings import Settings
from message_tracking.validation.gate import run_dbt_tests, validate
from message_tracking.validation.records import Records
from message_tracking.validation.running import run_suites
from message_tracking.validation.suites import check_name, load_suites
from message_tracking.validation.verdict import DBT_SUITE
from message_tracking.warehouse import fetch_all

SEVERITIES = {
    (relation, check_name(expectation)): expectation.severity.value
    for relation, suite in load_suites(Settings.from_environment()).items()
    for expectation in suite.expectations
}


@dataclass(frozen=True)
class Red:
    """A check that was found red: how severe, how many rows it counted and the keys that are kept of them."""

    severity: str
    failing_count: int
    keys: list[dict]


def found_red(connection, *suites):
    """Read from ops what the newest run of each suite found red, by relation and check."""
    rows = fetch_all(
        connection,
        """
        select
            relation, check_name, severity, failing_count,
            array(select failing_key from ops.failing_keys as keys where keys.check_result_id = results.check_result_id)
        from ops.check_results as results
        where not is_success and check_run_id in (
            select max(check_run_id) from ops.check_runs where suite = any (%s) group by suite
        )
        """,
        (list(suites),),
    )
    return {
        (relation, check): Red(severity, failing_count, keys) for relation, check, severity, failing_count, keys in rows
    }


def holds(keys, expected):
    """Whether these are the expected keys, which name some of the columns."""
    return len(keys) == len(expected) and all(any(wanted.items() <= key.items() for key in keys) for wanted in expected)


def test_an_archive_with_unusual_rates_is_found_right_and_publishes(archive):
    assert archive.verdict.is_publishable
    assert archive.verdict.findings == ()
    with archive.copy() as pipeline:
        publish(pipeline.warehouse, pipeline.settings, archive.candidate_id)
        with closing(pipeline.warehouse.connect("test")) as connection:
            unusual = fetch_all(
                connection,
                """
                select cumulated_click_rate > 1, forward_count < 0, last_event_at < '2013-01-01'
                from marts.delivery_indicators join marts.deliveries using (delivery_id)
                where delivery_id = 1000
                """,
            )
    assert unusual == [(True, True, True)]


def test_every_check_has_a_poison_and_every_poison_a_check(archive):
    suites = load_suites(archive.settings)
    expectations = [(relation, check_name(one)) for relation, suite in suites.items() for one in suite.expectations]
    dbt_tests = [
        (node["attached_node"].rpartition(".")[2], node["name"])
        for node in read_manifest(archive.settings)["nodes"].values()
        if node["resource_type"] == "test"
    ]
    assert Counter([*INPUTS, *STORED]) == Counter(expectations)
    of_both = {
        (relation, check_name(one))
        for relation, suite in suites.items()
        for one in suite.expectations
        if (one.meta or {}).get("of_both")
    }
    assert set(PEOPLE) == of_both
    assert Counter([*DBT_TESTS]) == Counter(dbt_tests)


def write_poisons(landing):
    """Add what all input poisons say to the archive's files, the events in a log of their own."""
    poisons = INPUTS.values()
    landing.describe(
        deliveries=[*DELIVERIES, *(row for poison in poisons for row in poison.deliveries)],
        messages=[*MESSAGES, *(row for poison in poisons for row in poison.messages)],
        tracked_urls=[*TRACKED_URLS, *(row for poison in poisons for row in poison.tracked_urls)],
        recipients=RECIPIENTS,
        exclusions=[*EXCLUSIONS, *(row for poison in poisons for row in poison.exclusions)],
    )
    lines, counter = [], len(EVENTS) + 1
    for poison in poisons:
        counter += poison.skipped_ids
        start = CONTACT + timedelta(minutes=2 * counter)
        lines += log_lines(poison.events, counter, start)
        counter += len(poison.events)
        for delivery_id, text in poison.bodies.items():
            write_body(landing, delivery_id, text)
    landing.write_log(lines, HOSTILE_SERVER)


@pytest.fixture(scope="module")
def poisoned(archive):
    """What the gate found in the poisoned files, and the pipeline that loaded and built them."""
    with archive.copy() as pipeline:
        publish(pipeline.warehouse, pipeline.settings, archive.candidate_id)
        write_poisons(archive.landing)
        pipeline.load()
        candidate = open_candidate(pipeline.warehouse, "test")
        build(pipeline.warehouse, pipeline.settings, candidate.publication_id, be_quiet)
        verdict = validate(pipeline.warehouse, pipeline.settings, candidate.publication_id, be_quiet)
        with closing(pipeline.warehouse.connect("test")) as connection:
            yield verdict, found_red(connection, DBT_SUITE, *load_suites(pipeline.settings)), pipeline.settings


def test_poisoned_files_turn_exactly_their_checks_red(poisoned):
    verdict, red, _ = poisoned
    assert red.keys() == INPUTS.keys()
    assert {check: one.severity for check, one in red.items()} == {check: SEVERITIES[check] for check in INPUTS}
    assert not verdict.is_publishable
    assert verdict.missing == ()


@pytest.mark.parametrize("check", INPUTS, ids=": ".join)
def test_poisoned_files_leave_their_keys(poisoned, check):
    found = poisoned[1][check]
    assert holds(found.keys, INPUTS[check].keys)
    assert found.failing_count == len(found.keys)


def test_what_files_say_is_neither_markup_in_data_docs_nor_a_line_of_a_log(poisoned):
    verdict, _, settings = poisoned
    pages = [page.read_text(encoding="utf-8") for page in settings.data_docs.rglob("*.html")]
    assert any("looks like an unsubscription" in page for page in pages)
    # They show how many rows break a check, and none of what those say, escaped or not.
    assert not any(said in page for page in pages for said in ("alert(1)", "forged", "onerror=alert"))
    (finding,) = [finding for finding in verdict.findings if finding.check == "opt_out_links_are_declared"]
    assert "critical: forged" in str(finding)
    assert "\x1b" not in str(finding)
    assert len(str(finding).splitlines()) == 2


def catalog(connection):
    """Every relation, function and role."""
    return fetch_all(
        connection,
        """
        select 'relation', oid::regclass::text from pg_class where relnamespace::regnamespace::text !~ '^pg_'
        union all select 'function', oid::regprocedure::text from pg_proc
        union all select 'role', rolname from pg_roles
        order by 1, 2
        """,
    )


@pytest.fixture(scope="module")
def hostile(archive):
    """A session in a warehouse that published a source with hostile texts, and its catalog before."""
    with archive.copy() as pipeline:
        publish(pipeline.warehouse, pipeline.settings, archive.candidate_id)
        file = write_hostile_source(archive.settings.home / "hostile")
        pipeline.settings = replace(pipeline.settings, sources_file=file)
        with closing(pipeline.warehouse.connect("test")) as connection:
            with connection:
                before = catalog(connection)
            pipeline.load()
            assert pipeline.publish(), pipeline.lines
            yield connection, before


def test_hostile_texts_are_published_as_they_came(hostile):
    connection, _ = hostile
    columns = fetch_all(
        connection,
        r"""
        select table_schema, table_name, column_name, data_type
        from information_schema.columns inner join information_schema.tables using (table_schema, table_name)
        where table_schema in ('raw', 'ops', 'marts', 'marts_private') and table_name !~ '^events_'
            and (data_type in ('text', 'jsonb') or column_name = 'raw_line')
        """,
    )
    found = set()
    for schema, relation, column, data_type in columns:
        value = {"bytea": "convert_from({}, 'UTF8')", "jsonb": "({} -> 0) #>> '{{}}'"}.get(data_type, "{}")
        text = sql.SQL(value).format(sql.Identifier(column))
        query = sql.SQL("select 1 from {} where position(%s in {}) > 0 limit 1").format(
            sql.Identifier(schema, relation), text
        )
        if fetch_all(connection, query, (HOSTILE,)):
            found.add(f"{schema}.{relation}.{column}")
    of_raw = {f"{schema}.{relation}.{column}" for schema, relation, column, _ in columns if schema == "raw"}
    assert of_raw - found == CLEAN, sorted(found)
    assert found > HOSTILE_IN_MARTS, sorted(found)


def test_hostile_texts_execute_nothing(hostile):
    connection, before = hostile
    assert catalog(connection) == before


@pytest.mark.parametrize(
    ("check", "poison"),
    [*STORED.items(), *PEOPLE.items()],
    ids=[*map(": ".join, STORED), *(f"people: {': '.join(check)}" for check in PEOPLE)],
)
def test_a_planted_change_is_found(archive, tmp_path, check, poison):
    relation, name = check
    project = project_copy(archive.settings, tmp_path, relation)
    with archive.copy() as pipeline:
        plant(pipeline.warehouse, poison.statement)
        with closing(pipeline.warehouse.connect("test")) as connection:
            records = Records.of_open_candidate(connection, archive.candidate_id)
            run_suites(records, pipeline.warehouse, replace(pipeline.settings, project=project), be_quiet)
            red = found_red(connection, relation)
    assert {one for _, one in red} == {name, *poison.also}
    assert red[check].severity == SEVERITIES[check]
    assert red[check].failing_count == len(red[check].keys) > 0


def test_planted_changes_are_found_by_dbt_tests(archive):
    with archive.copy() as pipeline:
        plant(pipeline.warehouse, *DBT_TESTS.values())
        with closing(pipeline.warehouse.connect("test")) as connection:
            records = Records.of_open_candidate(connection, archive.candidate_id)
            run_dbt_tests(records, pipeline.warehouse, pipeline.settings, be_quiet)
            red = found_red(connection, DBT_SUITE)
    assert red.keys() == DBT_TESTS.keys()
    assert {one.severity for one in red.values()} == {"critical"}
    assert all(one.failing_count == len(one.keys) > 0 for one in red.values())
