"""How many mutated log lines the parser judges as the grammar and the strict layer do: `fuzz_lines`."""

import sys
from collections import Counter
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from tests.fuzz.line_verdicts import DisagreementError, judge_mutated_lines

_LINES_OF_A_JOB = 100_000

Job = tuple[int, int]
"""Number of lines and seed."""


@click.command()
@click.option("--lines", type=click.IntRange(min=1), default=5_000_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed makes other lines.")
def main(lines: int, seed: int) -> None:
    """Judge mutated log lines on all cores; stop at the first one that is judged otherwise and show it."""
    starts = range(0, lines, _LINES_OF_A_JOB)
    jobs = [(min(_LINES_OF_A_JOB, lines - start), (seed << 32) + start) for start in starts]
    met: Counter[str] = Counter()
    # Threads of the parser's libraries do not survive a fork.
    with get_context("spawn").Pool(cpu_count()) as pool, click.progressbar(length=lines, file=sys.stderr) as bar:
        try:
            for (line_count, _), counts in zip(jobs, pool.imap(_judge, jobs), strict=True):
                met += counts
                bar.update(line_count)
        except DisagreementError as disagreement:
            raise click.ClickException(str(disagreement)) from disagreement
    click.echo(f"accepted {met.pop('')}, " + ", ".join(f"{why} {count}" for why, count in met.most_common()), err=True)
    click.echo(f"bench: fuzz_lines {lines} lines")


def _judge(job: Job) -> Counter[str]:
    with TemporaryDirectory() as folder:
        return sum(judge_mutated_lines(*job, Path(folder)), Counter())


if __name__ == "__main__":
    main()
