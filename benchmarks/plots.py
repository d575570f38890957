"""Draws what `make bench` and `make bench-scale` have printed: cost against history, load time against lines.

Reads lines of the form `bench: <what>_seconds_at_<size> <value> s …` from files of results and writes `history` and
`load` as pictures. Where a figure stands in several files, the one that is named last counts.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import click
import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

FIGURE = re.compile(r"^bench: (?P<what>\w+?)_seconds_at_(?P<size>\d+) (?P<value>[\d.]+) s\b", re.MULTILINE)

HISTORY = {
    "batch": "the whole batch",
    "batch_build": "build",
    "batch_gate": "gate",
    "batch_load": "load",
    "batch_publish": "publish",
}
"""What a batch costs, in all and by phase."""
LOAD = {"load": "message-tracking load"}

Series = dict[str, dict[int, float]]
"""Seconds by size, by what was measured."""


def read_series(files: Iterable[Path]) -> Series:
    """Read all figures that have a size."""
    series: Series = {}
    for file in files:
        for found in FIGURE.finditer(file.read_text(encoding="utf-8")):
            series.setdefault(found["what"], {})[int(found["size"])] = float(found["value"])
    return series


def draw(series: Series, labels: dict[str, str], xlabel: str, target: Path) -> None:
    """Draw the series that have labels into a picture. Raises click.ClickException where there is none of them."""
    drawn = {what: sorted(series[what].items()) for what in labels if what in series}
    if not drawn:
        raise click.ClickException(f"No file of results holds `bench: {next(iter(labels))}_seconds_at_<size>`.")
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for what, points in drawn.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=labels[what])
    axes.set(xlabel=xlabel, ylabel="seconds", ylim=(0, None), xlim=(0, None))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    # Without a date or random ids equal figures make equal files.
    figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None)
    click.echo(f"{target}: {', '.join(f'{what} at {len(points)} sizes' for what, points in drawn.items())}", err=True)


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default="docs/plots", show_default=True)
@click.option("--format", "suffix", type=click.Choice(["svg", "png"]), default="svg", show_default=True)
def main(results: tuple[Path, ...], output: Path, suffix: str) -> None:
    """Draw cost against history and load time against lines from files of results."""
    matplotlib.rcParams["svg.hashsalt"] = "message-tracking"
    output.mkdir(parents=True, exist_ok=True)
    series = read_series(results)
    draw(series, HISTORY, "events that were there before the batch", output / f"history.{suffix}")
    draw(series, LOAD, "lines loaded", output / f"load.{suffix}")


if __name__ == "__main__":
    main()
