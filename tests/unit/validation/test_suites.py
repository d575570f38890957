"""Every published relation is judged, and every suite is written as the gate needs it."""

from collections import Counter

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
    others = ("audit.", "staging.", "intermediate.", "raw.", "ops.")
    assert any(schema in query for query in queries for schema in others), "no reconciliation with another relation"


@pytest.mark.parametrize("relation", SUITES)
def test_every_check_says_what_it_is_and_how_severe(relation):
    expectations = SUITES[relation].expectations
    assert all(expectation.description for expectation in expectations)
    assert {expectation.severity.value for expectation in expectations} <= {"critical", "warning"}
    named = [one.meta["check"] for one in expectations if isinstance(one, UnexpectedRowsExpectation)]
    assert max(Counter(named).values()) == 1


def test_a_file_without_a_suite_is_refused(tmp_path):
    (tmp_path / "expectations").mkdir()
    (tmp_path / "expectations" / "clicks.py").write_text("SUITE = None\n")
    with pytest.raises(ConfigurationError, match=r"clicks\.py has no suite"):
        load_suites(Settings(tmp_path, None, tmp_path / "sources.yml", project=tmp_path))
