"""How fast a plain sample is written: `sample_plain_lines_per_second`, the whole command, from start to end."""

import sys
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, run
from tempfile import TemporaryDirectory
from time import perf_counter

import click

_COMMAND = Path(sys.executable).with_name("message-tracking")


@click.command()
@click.option("--lines", type=click.IntRange(min=1), default=2_000_000, show_default=True)
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True)
def main(lines: int, runs: int) -> None:
    """Write the same sample again and again, each time into an empty folder."""
    rates = []
    for number in range(1, runs + 1):
        rates.append(lines / _seconds(lines))
        click.echo(f"run {number} of {runs}: {rates[-1]:.0f} lines/s", err=True)
    spread = f"({min(rates):.0f}–{max(rates):.0f}, {runs} runs)"  # noqa: RUF001
    click.echo(f"bench: sample_plain_lines_per_second {median(rates):.0f} lines/s {spread}")


def _seconds(lines: int) -> float:
    with TemporaryDirectory() as folder:
        start = perf_counter()
        run(
            [_COMMAND, "sample", "--plain", f"--lines={lines}", "--servers=1", f"--output={folder}", "--no-golden"],
            check=True,
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        return perf_counter() - start


if __name__ == "__main__":
    main()
