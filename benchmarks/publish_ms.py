"""How long the switch to a judged candidate takes while readers read: `publish_ms`.

What is measured is the transaction of `publish` that moves the live publication, from its begin to the end of its
commit: the lock on the state, the reading of the verdict, the update. Building and judging come before it, and readers
notice neither; deleting versions that nobody needs any more comes after it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import click
from benchmarks.measuring import report, say
from benchmarks.warehouses import BenchWarehouse, lines_option, new_warehouse, sample_options
from tests.warehouse.reading import ANALYSIS, KINDS, Readers, readers
from tests.warehouse.slices import Slices

from message_tracking.publication import publish
from message_tracking.warehouse import PIPELINE_ROLE, Connection, Warehouse

SLICE_LINES = 500
READING = frozenset(kind for kind in KINDS if ANALYSIS not in kind.figures)
"""Those who need no schema of their own."""

READY_SECONDS = 600
"""How long readers may take until each of them has read once."""


class Watched:
    """A session that notes how many milliseconds its transactions take, and is the session itself in all else."""

    def __init__(self, session: Connection, taken: list[float]) -> None:
        self._session = session
        self._taken = taken

    def __getattr__(self, name: str) -> Any:
        """Whatever else a session has."""
        return getattr(self._session, name)

    def __enter__(self) -> "Watched":
        """Begin a transaction."""
        self._began_at = time.perf_counter()
        self._session.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """End it and note what it took."""
        self._session.__exit__(*error)
        self._taken.append((time.perf_counter() - self._began_at) * 1000)


@dataclass(frozen=True)
class WatchedWarehouse(Warehouse):
    """Notes how many milliseconds each transaction takes that moves the live publication."""

    taken: list[float] = field(default_factory=list)

    def connect(self, application_name: str = "benchmark", role: str | None = PIPELINE_ROLE) -> Connection:
        """Watch the sessions of `publish`; those that forget old versions have another name."""
        session = super().connect(application_name, role)
        return cast("Connection", Watched(session, self.taken)) if application_name == "publish" else session


@contextmanager
def busy_readers(bench: BenchWarehouse) -> Iterator[Readers]:
    """Readers of all kinds, each of which has read at least once and goes on. Ends the benchmark where one failed."""
    with readers(bench.server.url, READING) as seen:
        until = time.monotonic() + READY_SECONDS
        while {reading.kind for reading in seen.readings} < READING and not seen.faults:
            if time.monotonic() > until:
                raise SystemExit(f"Not all readers have read within {READY_SECONDS} s.")
            time.sleep(0.05)
        yield seen
    if seen.faults:
        raise SystemExit("\n".join(seen.faults))


@click.command()
@lines_option(200_000)
@click.option("--publications", type=click.IntRange(min=1), default=5, show_default=True, help="How often it is done.")
def main(lines: int, publications: int) -> None:
    """Publish slices that come in after a sample, each while readers of all kinds read."""
    with new_warehouse() as bench:
        say(f"Load and publish {lines} events")
        slices = Slices(bench.add_sample(sample_options(lines)), SLICE_LINES)
        bench.load()
        bench.pipeline.publish()
        bench.settle()
        watched = WatchedWarehouse(bench.warehouse.url)
        for done in range(1, publications + 1):
            slices.write()
            bench.load()
            candidate = bench.open_candidate()
            bench.build(candidate)
            bench.judge(candidate)
            with busy_readers(bench) as seen:
                publish(watched, bench.settings, candidate.publication_id)
            if len(watched.taken) != done:
                raise SystemExit(f"{done} publications took {len(watched.taken)} transactions.")
            say(f"Switched to {candidate.publication_id} in {watched.taken[-1]:.1f} ms, {len(seen.readings)} reads")
        ((shown,),) = bench.query("select count(*) from marts.tracking_events")
    say(f"{shown} rows of the click stream")
    report("publish_ms", watched.taken, "ms", "publications")


if __name__ == "__main__":
    main()
