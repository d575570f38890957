"""Loading a tracking log against copying it: `load_vs_copy`, and what memory it takes: `load_peak_mib`.

The load is `message-tracking load` as a process of its own, from its start to its end: lines parsed, checked,
deduplicated, ledgered and typed. The copy is `psql \\copy` of the same file, unparsed, into a table of one text column
without an index on the same server. Before each, the server writes out what the one before has left.
"""

import gzip
import os
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import NamedTuple

import click
from benchmarks.measuring import in_turn, ratios, report, same_work, say, seconds
from benchmarks.warehouses import BenchWarehouse, new_warehouse
from tests.conftest import MEASURED, execute

from message_tracking.embedded import packaged_programs
from message_tracking.sample import SampleOptions, generate_sample

LOG = "0x0000000000000000.log"
SERVER = "tracking-1"
COPY = "\\copy unparsed from '{log}' with (format csv, delimiter e'\\x01', quote e'\\x02')"
"""Delimiter and quote are characters that no log holds, so that nothing in a line means anything."""


class Load(NamedTuple):
    """What a load took."""

    seconds: float
    peak_mib: float


class LogFile:
    """One log file of a plain sample, the only file of its folder."""

    def __init__(self, bench: BenchWarehouse, lines: int, name: str, *, is_gzip: bool = False) -> None:
        self.bench = bench
        self.lines = lines
        self.name = name
        self.sources = (f"{name}_{number}" for number in count(1))
        self.path = bench.home / name / "logs" / SERVER / (f"{LOG}.gz" if is_gzip else LOG)
        self.path.parent.mkdir(parents=True)
        self._write()

    def _write(self) -> None:
        """Join the files of a sample in the order of their ids."""
        sample = self.bench.home / "sample"
        generate_sample(SampleOptions(self.lines, servers=1, deliveries=40).plain(), sample)
        with (
            gzip.open(self.path, "wb", compresslevel=1) if self.path.suffix == ".gz" else self.path.open("wb") as joined
        ):
            for log in sorted(sample.glob("logs/*/0x*.log")):
                with log.open("rb") as one:
                    shutil.copyfileobj(one, joined, 1 << 20)
        shutil.rmtree(sample)

    def load(self) -> Load:
        """Load it as a source that nobody has seen yet, and take its events away again."""
        source = next(self.sources)
        self.bench.add_source(source, self.path.parents[2])
        self.bench.settle()
        peaks: list[float] = []
        taken = seconds(lambda: peaks.append(self._run_load(source)))
        same_work("the log and its load", [(self.lines,)], self.bench.query("select count(*) from raw.events"))
        execute(self.bench.warehouse.url, "truncate raw.events")
        return Load(taken, peaks[0])

    def copy(self) -> float:
        """Copy it unparsed into a new table; returns the seconds."""
        execute(self.bench.warehouse.url, "create table public.unparsed (line text)")
        self.bench.settle()
        taken = seconds(self._run_copy)
        same_work("the log and its copy", [(self.lines,)], self.bench.query("select count(*) from public.unparsed"))
        execute(self.bench.warehouse.url, "drop table public.unparsed")
        return taken

    def _run_load(self, source: str) -> float:
        """Run `message-tracking load`; returns its greatest memory in MiB."""
        environment = {
            **os.environ,
            "MESSAGE_TRACKING_HOME": str(self.bench.home),
            "MESSAGE_TRACKING_SOURCES": str(self.bench.settings.sources_file),
        }
        program = Path(sys.executable).with_name("message-tracking")
        # Behind a small process: the memory of one as large as this one would count as its child's.
        command = [sys.executable, "-c", MEASURED, program, "load", "--source", source, "--server", SERVER]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return float(done.stdout.split()[-1])

    def _run_copy(self) -> None:
        psql = [packaged_programs() / "psql", "--no-psqlrc", "--quiet", self.bench.warehouse.url]
        subprocess.run([*psql, "--command", COPY.format(log=self.path)], check=True)


@click.command()
@click.option("--lines", default=2_000_000, show_default=True, help="Lines of the log that is loaded and copied.")
@click.option("--runs", default=5, show_default=True, help="Runs of each side, in turn.")
@click.option("--long-lines", default=4_000_000, show_default=True, help="Lines of the long log, plain and gzip.")
def main(lines: int, runs: int, long_lines: int) -> None:
    """Print what a load takes by what a copy takes, its lines a second, and the greatest memory of any load."""
    with new_warehouse() as bench:
        say(f"Write a log of {lines} lines")
        log = LogFile(bench, lines, "log")
        peaks: list[float] = []

        def load() -> float:
            done = log.load()
            peaks.append(done.peak_mib)
            return done.seconds

        taken = in_turn(runs, load=load, copy=log.copy)
        for is_gzip in (False, True):
            long = LogFile(bench, long_lines, "gzip" if is_gzip else "long", is_gzip=is_gzip)
            peaks.append(long.load().peak_mib)
            say(f"{long.path.name} of {long_lines} lines: {peaks[-1]:.0f} MiB")
            shutil.rmtree(long.path.parents[2])
    report("load_vs_copy", ratios(taken["load"], taken["copy"]), "x")
    report("load_lines_per_second", [lines / one for one in taken["load"]], "lines/s")
    report("load_peak_mib", [max(peaks)], "MiB")


if __name__ == "__main__":
    main()
