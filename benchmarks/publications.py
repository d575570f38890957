"""Publications and rollbacks over a click stream of a million rows, while readers read all the time."""

import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import click
from tests.conftest import temporary_home
from tests.warehouse.under_load import UnderLoad

from message_tracking.warehouse import fetch_all

PUBLICATIONS_PER_ROLLBACK = 5
DELIVERIES_PER_MILLION_LINES = 250


@dataclass(frozen=True)
class Outcome:
    """What was done and seen: numbers of publications, rollbacks and reads, lock waits in milliseconds, and faults."""

    event_count: int
    publication_count: int
    rollback_count: int
    read_count: int
    lock_waits: list[float]
    faults: list[str]


def measure(home: Path, lines: int, publications: int, pause: float) -> Outcome:
    """Publish so many slices over a sample of so many lines in an empty home, rolling back one or two of every five."""
    started_at = time.monotonic()

    def say(what: str) -> None:
        click.echo(f"{time.monotonic() - started_at:7.1f} s  {what}", err=True)

    say(f"Load and publish {lines} lines")
    deliveries = max(lines * DELIVERIES_PER_MILLION_LINES // 1_000_000, 20)
    load = UnderLoad(home, lines=lines, deliveries=deliveries, slice_lines=500)
    before = load.surroundings()
    steps_back = count()
    faults: list[str] = []
    with load.readers(pause=pause) as seen:
        for done in range(1, publications + 1):
            say(f"Published {load.publish_slice()}, {done} of {publications}; {len(seen.readings)} reads")
            if done % PUBLICATIONS_PER_ROLLBACK == 0:
                back = 1 + next(steps_back) % 2
                say(f"Rolled back to {load.roll_back(load.kept()[-1 - back])}")
                faults += load.faults_of_kept()
    say("Compare what was read")
    faults += [*load.faults(seen), *load.faults_of_kept()]
    if load.surroundings() != before:
        faults.append("owners, rights, comments or views of analysts are not what they were")
    with load.session("bi_reader") as session:
        ((event_count,),) = fetch_all(session, "select count(*) from marts.tracking_events")
    return Outcome(event_count, publications, load.rollback_count, len(seen.readings), load.lock_waits(), faults)


@click.command()
@click.option("--lines", default=1_100_000, show_default=True, help="Log lines that are published first.")
@click.option("--publications", default=50, show_default=True, help="Publications of later slices.")
@click.option("--pause", default=2.0, show_default=True, help="Seconds that each reader waits after a read.")
def main(lines: int, publications: int, pause: float) -> None:
    """Print how many publications and rollbacks readers saw cleanly, and how long they waited for locks at most."""
    with temporary_home() as home:
        outcome = measure(home, lines, publications, pause)
    for fault in outcome.faults:
        click.echo(fault, err=True)
    changes = 0 if outcome.faults else outcome.publication_count + outcome.rollback_count
    click.echo(f"bench: publications_read_clean {changes} publications")
    click.echo(f"bench: publications_reads {outcome.read_count} reads")
    click.echo(f"bench: publications_longest_lock_wait {max(outcome.lock_waits, default=0):.0f} ms")
    if outcome.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
