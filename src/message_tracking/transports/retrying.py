"""Asking another machine again where the way to it breaks."""

from collections.abc import Callable
from typing import TypeVar

import tenacity

ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30

Result = TypeVar("Result")


class BrokenError(Exception):
    """An attempt did not come through; its cause says why."""


def again_where_broken(attempt: Callable[[], Result]) -> Result:
    """Call it, and again, after ever longer waits, where it raises BrokenError; raise the last of these."""
    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential_jitter(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
        retry=tenacity.retry_if_exception_type(BrokenError),
        reraise=True,
    )
    return attempts(attempt)


def one_line(error: BaseException | None) -> str:
    """Say in a line what an error says, or what it is where it says nothing."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
