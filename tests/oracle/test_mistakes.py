"""Every planted mistake shows in at least one relation of the edge case."""

import duckdb
import pytest
from tests.oracle.comparing import RELATIONS, expected_frame, frame_differences
from tests.oracle.edge_case import TIME_ZONE, write_sources
from tests.oracle.expecting import expected_relations
from tests.oracle.mistakes import MISTAKES, rules_with
from tests.oracle.sources import SourceFolder

KEY = b"person key of the edge case"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[SourceFolder]:
    return write_sources(tmp_path_factory.mktemp("edge_case"))


@pytest.fixture(scope="module")
def right(sources: list[SourceFolder]) -> duckdb.DuckDBPyConnection:
    return expected_relations(sources, person_key=KEY, time_zone=TIME_ZONE)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_changes_a_relation(mistake: str, sources: list[SourceFolder], right: duckdb.DuckDBPyConnection):
    wrong = expected_relations(sources, person_key=KEY, time_zone=TIME_ZONE, mistakes=[mistake])

    assert any(
        frame_differences(name, expected_frame(right, name), expected_frame(wrong, name)) for name in RELATIONS
    ), MISTAKES[mistake]


def test_an_unknown_mistake_is_refused():
    with pytest.raises(ValueError, match="Unknown mistakes no-such-one"):
        rules_with(["no-such-one"])
