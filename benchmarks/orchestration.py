"""What Airflow adds to the pipeline: `orchestration_seconds`.

The wall time from starting both ingests until the last publication that they set off is done, under the local Airflow
as `make up` starts it, less that of `message-tracking run` on the same files. Each run begins with an empty warehouse
of its own; servers and Airflow are up before the clock starts.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from benchmarks.mart_figures import figures
from benchmarks.measuring import in_turn, report, same_work, say, seconds
from benchmarks.warehouses import BenchWarehouse, lines_option, new_warehouse, sample_options

from message_tracking.airflow_api import AirflowApi
from message_tracking.dag_runs import PUBLISH, start_ingests, wait_for_dags, wait_for_publishing, wait_for_runs
from message_tracking.local_airflow import LocalAirflow
from message_tracking.sample import generate_sample


class Sides:
    """The pipeline over one sample, with and without Airflow."""

    def __init__(self, sample: Path) -> None:
        self.sample = sample
        self.figures: dict[str, Any] = {}

    def by_dags(self) -> float:
        """Let the DAGs publish the sample; returns the seconds."""
        with self._warehouse() as bench, started(bench) as api:
            taken = seconds(lambda: ingest_and_publish(api))
            holders = bench.query("select holder from ops.publications where status = 'published'")
            if not holders or not all(holder.startswith(f"{PUBLISH} asset_triggered__") for (holder,) in holders):
                raise SystemExit(f"The DAGs have not published by themselves: {holders}")
            say(f"The DAGs published {len(holders)} times")
            self.figures = published_figures(bench)
        return taken

    def by_run(self) -> float:
        """Let `message-tracking run` publish the sample; returns the seconds."""
        with self._warehouse() as bench:
            taken = seconds(lambda: run_program(bench))
            same_work("orchestration_seconds", self.figures, published_figures(bench))
        return taken

    @contextmanager
    def _warehouse(self) -> Iterator[BenchWarehouse]:
        with new_warehouse() as bench:
            bench.add_source("campaign", self.sample)
            yield bench


@contextmanager
def started(bench: BenchWarehouse) -> Iterator[AirflowApi]:
    """A local Airflow that has read its DAGs, stopped at the end."""
    airflow = LocalAirflow(bench.settings)
    try:
        airflow.start(lambda line: say(f"Airflow: {line}"))
        wait_for_dags(airflow.api())
        yield airflow.api()
    finally:
        airflow.stop()


def ingest_and_publish(api: AirflowApi) -> None:
    """Start both ingests and wait for all that they set off. Raises MessageTrackingError where a run fails."""
    since = datetime.now(UTC).isoformat()
    wait_for_runs(api, start_ingests(api))
    wait_for_publishing(api, since)


def run_program(bench: BenchWarehouse) -> None:
    """Run the pipeline as a program of its own, as in a shell. Ends the benchmark where it fails."""
    environment = os.environ | {
        "MESSAGE_TRACKING_HOME": str(bench.home),
        "MESSAGE_TRACKING_SOURCES": str(bench.settings.sources_file),
        "MESSAGE_TRACKING_WAREHOUSE": "",
    }
    command = [str(Path(sys.executable).with_name("message-tracking")), "run"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"message-tracking run failed:\n{done.stdout}\n{done.stderr}")


def published_figures(bench: BenchWarehouse) -> dict[str, Any]:
    """Counts and sums of what is published."""
    return figures(lambda query: bench.query(f"set search_path = marts; {query}"))


@click.command()
@lines_option(1_000_000)
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True)
def main(lines: int, runs: int) -> None:
    """Publish a sample with and without Airflow, in turn, and print the difference."""
    with tempfile.TemporaryDirectory() as folder:
        say(f"Write {lines} events")
        generate_sample(sample_options(lines), Path(folder))
        sides = Sides(Path(folder))
        taken = in_turn(runs, dags=sides.by_dags, run=sides.by_run)
    differences = [with_dags - without for with_dags, without in zip(taken["dags"], taken["run"], strict=True)]
    report("orchestration_seconds", differences, "s")


if __name__ == "__main__":
    main()
