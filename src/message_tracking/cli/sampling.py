"""The verb that makes a sample."""

import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from message_tracking.settings import Settings


@click.command()
@click.option("--lines", default=50_000, show_default=True, help="Log lines in all files together.")
@click.option("--seed", default=1, show_default=True, help="Another seed makes another campaign.")
@click.option("--deliveries", default=8, show_default=True, help="Deliveries with messages, one of them a proof.")
@click.option("--servers", default=3, show_default=True, help="Tracking servers, each with its own prefix character.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default="2026-01-05",
    show_default=True,
    help="Everything happens in the 24 days before this one; not in the future.",
)
@click.option("--gzip-share", default=0.3, show_default=True, help="Share of the log files that are gzipped.")
@click.option("--corrupted-share", default=0.002, show_default=True, help="Share of the lines that are corrupted.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write.  [default: MESSAGE_TRACKING_HOME/landing/campaign]",
)
@click.option(
    "--golden/--no-golden",
    default=True,
    show_default=True,
    help="Also lay the worked example into MESSAGE_TRACKING_HOME/landing/golden.",
)
def sample(start: datetime.datetime, output: Path | None, golden: bool, **sizes: Any) -> None:
    """Make a campaign as real tracking-log files, exports and message bodies.

    The same options always write the same bytes, so running it again changes nothing. What was planted (events of
    each kind, repeated opens, corrupted lines, figures of every delivery) is written to planted.json beside the files.
    A folder that holds anything but the same sample is refused.
    """
    from message_tracking.sample import SampleOptions, generate_sample, lay_worked_example  # noqa: PLC0415  (heavy)

    landing = Settings.from_environment().home / "landing"
    folder = output or landing / "campaign"
    options = SampleOptions(start=start.date(), **sizes)
    columns = (TextColumn("Writing log lines"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=options.lines)
        planted = generate_sample(options, folder, lambda count: bar.advance(task, count))
    events = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in planted["events"].items())
    click.echo(
        f"{folder}: {planted['line_count']} lines of {options.servers} servers and {options.deliveries} deliveries\n"
        f"  {events}; {planted['duplicate_open_count']} of the opens are repeats within a minute\n"
        f"  {planted['corrupted_line_count']} corrupted lines; details in planted.json"
    )
    if golden:
        lay_worked_example(landing / "golden")
        click.echo(f"{landing / 'golden'}: the worked example")


VERBS: tuple[click.Command, ...] = (sample,)
