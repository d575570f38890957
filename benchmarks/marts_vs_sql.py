"""What the marts cost when dbt builds them, when one session runs their SELECTs, and in DuckDB.

`marts_vs_sql`: a build of all models from nothing by dbt, as the pipeline does it, by the same compiled SELECTs run one
after the other in one session into plain tables, each analyzed. `marts_vs_duckdb`: the heaviest of those SELECTs by
DuckDB, which computes the same relations from Parquet files of the same raw rows. Each side starts from a copy of the
same loaded database, or from the same files, and gives the same rows, or the benchmark ends.
"""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import click
from benchmarks.duckdb_marts import DuckMarts, export_raw
from benchmarks.mart_figures import FIGURES, figures
from benchmarks.measuring import in_turn, ratios, report, same_work, say, seconds
from benchmarks.warehouses import BenchWarehouse, lines_option, new_warehouse, sample_options
from psycopg2 import sql

from message_tracking.building import read_manifest, run_dbt
from message_tracking.pipeline import be_quiet
from message_tracking.publication import Candidate

BY_HAND = "by_hand"
"""The schema of the plain tables."""

COPY = "run"
"""The database in which a side works. Compiled SQL names it, so it is the same one for both."""


class Model(NamedTuple):
    """A model of the dbt project as it was compiled for the last build."""

    name: str
    schema: str
    is_view: bool
    relation: str
    """As compiled SQL names it."""
    select: str


def compiled_models(manifest: dict[str, Any]) -> list[Model]:
    """Every model that a build compiled, none before those that it reads."""
    nodes = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    order = TopologicalSorter({name: set(node["depends_on"]["nodes"]) & set(nodes) for name, node in nodes.items()})
    return [
        Model(
            node["name"],
            node["schema"],
            node["config"]["materialized"] == "stable_view",
            node["relation_name"],
            node["compiled_code"],
        )
        for node in map(nodes.__getitem__, order.static_order())
    ]


class Sides:
    """Both ways to the marts, each from a copy of the same loaded warehouse."""

    def __init__(self, bench: BenchWarehouse, candidate: Candidate) -> None:
        self.bench = bench
        self.candidate = candidate
        self.models: list[Model] = []
        self.built: dict[str, Any] = {}
        self.heavy_seconds: list[float] = []
        """What the SELECTs took, run by run, of which there is a form for DuckDB."""
        self.heavy_figures: dict[str, Any] = {}

    def by_dbt(self) -> float:
        """Build all models with dbt; returns the seconds."""
        with self.bench.copied(COPY) as run:
            taken = seconds(lambda: run.build(self.candidate))
            self.models = compiled_models(read_manifest(run.settings))
            self.built = {model.name: _digest(run, model.schema, model.name) for model in self._tables()}
        return taken

    def by_sql(self) -> float:
        """Run the SELECTs that dbt compiled just now; returns the seconds."""
        with self.bench.copied(COPY) as run:
            taken = dict(self._run_selects(run))
            by_hand = {model.name: _digest(run, BY_HAND, model.name) for model in self._tables()}
            self.heavy_figures = figures(lambda query: run.query(f"set search_path = {BY_HAND}; {query}"))
        same_work("marts_vs_sql", self.built, by_hand)
        self.heavy_seconds.append(sum(taken[relation] for relation in FIGURES))
        return sum(taken.values())

    def _tables(self) -> list[Model]:
        return [model for model in self.models if not model.is_view]

    def _run_selects(self, run: BenchWarehouse) -> Iterator[tuple[str, float]]:
        """Run each SELECT in one session; yields how long it took."""
        with closing(run.warehouse.connect("by hand")) as session, session.cursor() as cursor:
            session.autocommit = True
            cursor.execute(sql.SQL("create schema {}").format(sql.Identifier(BY_HAND)))
            for model in self.models:
                table = sql.Identifier(BY_HAND, model.name)
                kind, then = ("view", "") if model.is_view else ("table", "; analyze {0}")
                statement = sql.SQL(f"create {kind} {{0}} as {{1}}{then}").format(table, sql.SQL(self._plain(model)))
                yield model.name, seconds(lambda: cursor.execute(statement))  # noqa: B023  (it is called at once)

    def _plain(self, model: Model) -> str:
        """The SELECT of a model, reading the plain tables instead of what dbt has built."""
        select = model.select
        for read in self.models:
            select = select.replace(read.relation, f'"{BY_HAND}"."{read.name}"')
        return select


def _digest(bench: BenchWarehouse, schema: str, name: str) -> tuple[Any, ...]:
    """Number and digest of all rows of a relation."""
    query = sql.SQL("select count(*), sum(hashtextextended(each::text, 0)) from {} as each")
    return bench.query(query.format(sql.Identifier(schema, name)))[0]


@click.command()
@lines_option(200_000)
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True)
def main(lines: int, runs: int) -> None:
    """Build all marts with dbt, by hand in one session, and the heaviest in DuckDB; print the ratios."""
    with new_warehouse() as bench, tempfile.TemporaryDirectory() as folder:
        say(f"Load {lines} events")
        bench.add_sample(sample_options(lines))
        bench.load()
        candidate = bench.open_candidate()
        # The plain SELECTs read the seeds, which are none of the models that are measured.
        run_dbt(bench.warehouse, bench.settings, ["seed"], candidate.publication_id, be_quiet)
        bench.settle()
        export_raw(bench, Path(folder))
        sides = Sides(bench, candidate)
        duck = DuckMarts(Path(folder))

        def by_duckdb() -> float:
            taken = duck.build()
            same_work("marts_vs_duckdb", sides.heavy_figures, duck.figures())
            return taken

        taken = in_turn(runs, dbt=sides.by_dbt, sql=sides.by_sql, duckdb=by_duckdb)
    report("marts_vs_sql", ratios(taken["dbt"], taken["sql"]), "x")
    report("marts_vs_duckdb", ratios(sides.heavy_seconds, taken["duckdb"]), "x")


if __name__ == "__main__":
    main()
