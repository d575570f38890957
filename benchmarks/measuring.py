"""What all benchmarks share: runs taken in turn, what they print, and how they end where two sides did other work.

`bench:` lines are the only thing on the standard output; what goes on meanwhile is said on the error stream.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import click

_STARTED_AT = time.monotonic()
_SHOWN = 1_000
"""Characters of each side's work where they differ."""

_TO = "\N{EN DASH}"


def say(what: str) -> None:
    """Tell how far a benchmark is, after how many seconds."""
    click.echo(f"{time.monotonic() - _STARTED_AT:7.1f} s  {what}", err=True)


def report(name: str, values: Sequence[float], unit: str, what: str = "runs") -> None:
    """Print a figure: the median of its values and, where there are several, the lowest and the highest of so many."""
    spread = f" ({_written(min(values))}{_TO}{_written(max(values))}, {len(values)} {what})" if len(values) > 1 else ""
    click.echo(f"bench: {name} {_written(median(values))} {unit}{spread}")


def seconds(action: Callable[[], Any]) -> float:
    """How long an action takes."""
    started_at = time.perf_counter()
    action()
    return time.perf_counter() - started_at


def in_turn(runs: int, **sides: Callable[[], float]) -> dict[str, list[float]]:
    """Let all sides run in turn; each says itself how many seconds count. Returns those of each side, run by run.

    A machine that becomes slower or faster meanwhile does so for all sides of a run, so ratios hardly notice.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(1, runs + 1):
        for name, side in sides.items():
            taken[name].append(side())
        say(f"Run {run} of {runs}: " + ", ".join(f"{name} {values[-1]:.3g} s" for name, values in taken.items()))
    return taken


def ratios(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """First side by second side, run by run."""
    return [one / other for one, other in zip(first, second, strict=True)]


def same_work(what: str, first: object, second: object) -> None:
    """End the benchmark where its two sides have not done the same: their times could not be compared."""
    if first == second:
        return
    if isinstance(first, dict) and isinstance(second, dict):
        differing = [name for name in {**first, **second} if first.get(name) != second.get(name)]
        first, second = ({name: side.get(name) for name in differing} for side in (first, second))
    told = "\n".join(f"  {str(side)[:_SHOWN]}" for side in (first, second))
    raise SystemExit(f"The two sides of {what} have not done the same work:\n{told}")


def _written(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
