"""Every published relation is judged, and every suite is written as the gate needs it."""

import pytest
from great_expectations.expectations.core import UnexpectedRowsExpectation

from message_tracking.errors import ConfigurationError
from message_tracking.settings import Settings
from message_tracking.validation.suites import load_suites

SETTINGS = Settings.from_environment()
SUITES = load_suites(SETTINGS)


def test_every_published_relation_has_a_suite():
    published = {path.stem for path in (SETTINGS.dbt_project / "models" / "marts").glob("*/*.sql")}
    assert set(SUITES) == published
    assert len(published) >= 8


@pytest.mark.parametrize("relation", SUITES)
def test_suite_checks_structure_grain_and_another_relation(relation):
    suite = SUITES[relation]
    checks = [expectation.meta["check"] for expectation in suite.expectations]
    assert "structure" in checks
    assert any(check.startswith("grain_") for check in checks)
    queries = [one.unexpected_rows_query for one in suite.expectations if isinstance(one, UnexpectedRowsExpectation)]
    others = ("audit.", "staging.", "intermediate.", "raw.", "ops.", "changed.", "changes.")
    assert any(schema in query for query in queries for schema in others), "no reconciliation with another relation"


@pytest.mark.parametrize("relation", SUITES)
def test_every_check_says_what_it_is_and_how_severe(relation):
    expectations = SUITES[relation].expectations
    assert all(expectation.description for expectation in expectations)


def test_what_says_nothing_against_the_figures_warns_and_everything_else_is_critical():
    """Design §7: freshness, volume, what is not linked, gaps, opens above success, links that look wrongly typed."""
    severities = {
        f"{relation}: {one.meta['check']}": one.severity.value
        for relation, suite in SUITES.items()
        for one in suite.expectations
    }
    assert {check for check, severity in severities.items() if severity != "critical"} == {
        "bounces: reasons_are_known",
        "deliveries: statuses_are_known",
        "delivery_exclusions: reasons_are_known",
        "delivery_indicators: opens_are_within_success",
        "delivery_summary: exclusions_are_the_rejected",
        "delivery_summary: what_is_not_rejected_is_to_deliver",
        "hot_clicks: tracked_links_are_in_the_body",
        "message_engagement: messages_are_known",
        "source_freshness: logs_are_read",
        "source_freshness: no_ids_are_missing",
        "tracking_events: deliveries_are_described",
        "tracking_events: events_are_linked",
        "tracking_events: volume_is_usual",
        "url_clicks: links_of_the_body_are_tracked",
        "url_clicks: opt_out_links_are_declared",
    }
    assert set(severities.values()) == {"critical", "warning"}


def test_a_file_without_a_suite_is_refused(tmp_path):
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations" / "clicks.py").write_text("SUITE = None\n")
    with pytest.raises(ConfigurationError, match=r"clicks\.py has no suite"):
        load_suites(Settings(tmp_path, None, tmp_path / "sources.yml", project=tmp_path))


def test_a_suite_that_names_two_checks_alike_is_refused(tmp_path):
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations" / "clicks.py").write_text(
        "from great_expectations import ExpectationSuite\n"
        "from message_tracking.validation.rules import never\n"
        "checks = [never('fits', 'Shoes fit.', 'select 1 from {batch}'), never('fits', 'Hats fit.', 'select 2 from {batch}')]\n"
        "SUITE = ExpectationSuite(name='clicks', expectations=checks)\n"
    )
    with pytest.raises(ConfigurationError, match=r"clicks\.py has more than one check named fits"):
        load_suites(Settings(tmp_path, None, tmp_path / "sources.yml", project=tmp_path))
