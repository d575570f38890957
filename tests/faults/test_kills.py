"""Whatever is killed and whenever, the next run makes the warehouse what an undisturbed one is."""

import sys

import pytest
from tests.conftest import temporary_home
from tests.faults.survival import STEPS, survive

ROUNDS = 2
"""Ten kills: two of `migrate`, and one in each other step of each round."""


def assert_survival(home, other_home, seed):
    killer, reader = survive(home, other_home, seed, ROUNDS)
    sys.stderr.write(f"{killer.table()}\n{reader.read_count} reads\n")
    assert {kill.step for kill in killer.record} == {"migrate", *STEPS}


@pytest.mark.timeout(1500)
def test_kills_in_every_step_leave_no_trace(new_home):
    with temporary_home() as other_home:
        assert_survival(new_home, other_home, seed=1)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2, 22))
def test_two_hundred_kills_leave_no_trace(new_home, seed):
    with temporary_home() as other_home:
        assert_survival(new_home, other_home, seed)
