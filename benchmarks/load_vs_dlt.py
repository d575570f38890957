"""dlt's path of pyarrow tables against our load, over the same log: `load_vs_dlt`.

dlt gets what makes it fastest here: tables of text columns as pyarrow's CSV reader cuts them out of the file, which it
writes as CSV and copies. It neither checks a line, nor deduplicates, nor types; we do.
"""

import os
from collections.abc import Iterator
from tempfile import TemporaryDirectory

import click
from benchmarks.load import LogFile
from benchmarks.measuring import in_turn, ratios, report, same_work, say, seconds
from benchmarks.warehouses import new_warehouse
from pyarrow import Table
from pyarrow import csv as arrow_csv
from tests.conftest import execute

FIELDS = [f"field_{number}" for number in range(1, 12)]


def tables(log: LogFile) -> Iterator[Table]:
    """The log as tables of text, block by block."""
    reader = arrow_csv.open_csv(
        log.path,
        arrow_csv.ReadOptions(column_names=FIELDS, block_size=8 << 20),
        arrow_csv.ParseOptions(delimiter="\t", quote_char=False),
        arrow_csv.ConvertOptions(column_types=dict.fromkeys(FIELDS, "string")),
    )
    for batch in reader:
        yield Table.from_batches([batch])


def run_dlt(log: LogFile) -> float:
    """Load the log with dlt into a schema of its own; returns the seconds, those of its import left out."""
    import dlt  # noqa: PLC0415  (takes its time, and reads the environment)

    with TemporaryDirectory() as folder:
        log.bench.settle()
        pipeline = dlt.pipeline(
            "benchmark",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(log.bench.warehouse.url),
            dataset_name="dlt_benchmark",
        )
        resource = dlt.resource(tables(log), name="lines")
        taken = seconds(lambda: pipeline.run(resource, loader_file_format="csv"))
    same_work("the log and dlt", [(log.lines,)], log.bench.query("select count(*) from dlt_benchmark.lines"))
    execute(log.bench.warehouse.url, "drop schema dlt_benchmark cascade")
    return taken


@click.command()
@click.option("--lines", default=2_000_000, show_default=True, help="Lines of the log.")
@click.option("--runs", default=3, show_default=True, help="Runs of each side, in turn.")
def main(lines: int, runs: int) -> None:
    """Print what dlt takes by what our load takes."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    with new_warehouse() as bench:
        say(f"Write a log of {lines} lines")
        log = LogFile(bench, lines, "log")
        taken = in_turn(runs, dlt=lambda: run_dlt(log), load=lambda: log.load().seconds)
    report("load_vs_dlt", ratios(taken["dlt"], taken["load"]), "x")


if __name__ == "__main__":
    main()
