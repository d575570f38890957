"""How well machines are told from people: `automatic_precision`, `automatic_recall` and `person_opens_lost`.

Samples of several seeds and of one profile (how their machines behave) are loaded and judged, and each event of the
click stream is compared with who was planted behind its log line. As a baseline stands the rule that others use: what
comes within two seconds of the delivery is a machine's. Figures of another profile than the default one carry its name.
"""

import gzip
from collections import Counter
from contextlib import closing
from dataclasses import dataclass

import click
from benchmarks.measuring import report, say
from benchmarks.warehouses import UNEVEN, BenchWarehouse, lines_option, new_warehouse, sample_options

from message_tracking.sample.actors import ACTORS, ACTORS_FILE
from message_tracking.sample.profiles import DEFAULT_PROFILE, PROFILES

AUTOMATIC = ("prefetch", "scanner")
BASELINE_SECONDS = 2

JUDGED = """
    select
        planted.actor, events.actor_class, events.event_type = 'open' as is_open, events.is_automatic,
        coalesce(events.seconds_since_sent between 0 and %s, false) as is_early, events.actor_reason, count(*)
    from audit.tracking_events as events
    inner join planted on events.event_id = 'campaign:' || planted.log_id
    group by 1, 2, 3, 4, 5, 6
"""


@dataclass(frozen=True)
class Judgement:
    """So many events of one kind: who was planted, and what was found."""

    actor: str
    actor_class: str
    is_open: bool
    is_automatic: bool
    is_early: bool
    actor_reason: str
    count: int

    @property
    def is_machine(self) -> bool:
        """Whether a machine was planted that acts without a person."""
        return self.actor in AUTOMATIC


def judged(bench: BenchWarehouse, lines: int, seed: int, profile: str) -> list[Judgement]:
    """Load and judge a sample; returns what was found of it."""
    folder = bench.add_sample(
        sample_options(lines, seed=seed, actors_file=True, actors_profile=profile, without=UNEVEN)
    )
    bench.load()
    bench.build(bench.open_candidate())
    with closing(bench.warehouse.connect("benchmark")) as session, session.cursor() as cursor:
        cursor.execute("create temporary table planted (log_id text, actor text)")
        with gzip.open(folder / ACTORS_FILE) as actors:
            cursor.copy_expert("copy planted from stdin (format csv, header)", actors)
        cursor.execute("analyze planted")
        cursor.execute(JUDGED, (BASELINE_SECONDS,))
        return [Judgement(*row) for row in cursor.fetchall()]


def share(part: int, base: int) -> float:
    """A fraction; 1 of nothing."""
    return part / base if base else 1.0


def precision_and_recall(judgements: list[Judgement], rule: str) -> tuple[float, float]:
    """Of what a rule takes for a machine's, and of what machines did: the share that is both."""
    taken = Counter[bool]()
    missed = 0
    for one in judgements:
        if getattr(one, rule):
            taken[one.is_machine] += one.count
        elif one.is_machine:
            missed += one.count
    return share(taken[True], taken.total()), share(taken[True], taken[True] + missed)


def show_confusion(judgements: list[Judgement]) -> None:
    """Tell who was planted against what was found, and which rules took a person for a machine."""
    classes = ["person", "image_proxy", "unknown", "prefetch", "scanner"]
    found, wrong = Counter[tuple[str, str]](), Counter[str]()
    for one in judgements:
        found[one.actor, one.actor_class] += one.count
        if one.is_automatic and not one.is_machine:
            wrong[one.actor_reason] += one.count
    click.echo(f"{'planted / found':<16}" + "".join(f"{name:>12}" for name in classes), err=True)
    for actor in ACTORS:
        click.echo(f"{actor:<16}" + "".join(f"{found[actor, name]:>12}" for name in classes), err=True)
    for reason, count in wrong.most_common():
        click.echo(f"{count:>8} of people by {reason}", err=True)


@click.command()
@lines_option(50_000)
@click.option("--seed", "seeds", type=int, multiple=True, default=(101, 102, 103, 104, 105), show_default=True)
@click.option("--profile", type=click.Choice(list(PROFILES)), default=DEFAULT_PROFILE, show_default=True)
def main(lines: int, seeds: tuple[int, ...], profile: str) -> None:
    """Judge samples of these seeds and compare with what was planted in them."""
    of_profile = "" if profile == DEFAULT_PROFILE else f"_{profile}"
    found: list[list[Judgement]] = []
    for seed in seeds:
        with new_warehouse() as bench:
            found.append(judged(bench, lines, seed, profile))
        say(f"Judged the sample of seed {seed}")
    show_confusion([one for judgements in found for one in judgements])
    for name, rule in (("automatic", "is_automatic"), ("two_seconds", "is_early")):
        precisions, recalls = zip(*(precision_and_recall(one, rule) for one in found), strict=True)
        report(f"{name}_precision{of_profile}", precisions, "of 1", "seeds")
        report(f"{name}_recall{of_profile}", recalls, "of 1", "seeds")
    lost = [
        sum(one.count for one in judgements if one.actor == "image_proxy" and one.is_open and one.is_automatic)
        for judgements in found
    ]
    report(f"person_opens_lost{of_profile}", lost, "opens", "seeds")


if __name__ == "__main__":
    main()
