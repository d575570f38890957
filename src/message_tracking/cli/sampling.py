"""The verb that makes a sample."""

import datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from message_tracking.errors import ConfigurationError
from message_tracking.settings import Settings


def _list_traits(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        from message_tracking.sample.traits import TRAITS  # noqa: PLC0415  (polars is heavy: only who needs it pays)

        width = max(map(len, TRAITS))
        click.echo("\n".join(f"{name:<{width}}  {planted}" for name, planted in TRAITS.items()))
        context.exit()


@click.command()
@click.option("--lines", default=50_000, show_default=True, help="Log lines in all files together.")
@click.option("--seed", default=1, show_default=True, help="Another seed makes another campaign.")
@click.option("--number", default=0, show_default=True, help="Another number makes ids of its own, for one warehouse.")
@click.option("--deliveries", default=8, show_default=True, help="Ordinary deliveries; traits add small ones.")
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
@click.option("--without", "left_out", multiple=True, metavar="TRAIT", help="Leave a trait out; may be repeated.")
@click.option(
    "--plain",
    is_flag=True,
    help="Make what is written fastest: the same as --without every trait, --corrupted-share 0 and --gzip-share 0.",
)
@click.option(
    "--actors-file",
    is_flag=True,
    help="Also write actors.csv.gz: who is behind each good line, a person or which kind of machine.",
)
@click.option(
    "--actors-profile",
    default="field",
    show_default=True,
    metavar="NAME",
    help="How machines behave, and people who are hard to tell from them: field or second.",
)
@click.option(
    "--list-traits",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_traits,
    help="Print the traits that a sample plants, and make none.",
)
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
def sample(
    start: datetime.datetime,
    left_out: tuple[str, ...],
    plain: bool,
    output: Path | None,
    golden: bool,
    **sizes: Any,
) -> None:
    """Make a campaign as real tracking-log files, exports and message bodies.

    The same options always write the same bytes, so running it again changes nothing. What was planted (events of
    each kind, repeated opens, corrupted lines, how often each trait, figures of every delivery) is written to
    planted.json beside the files. A folder that holds anything but the same sample is refused.
    """
    from message_tracking.sample import SampleOptions, generate_sample, lay_worked_example  # noqa: PLC0415  (heavy)

    landing = Settings.from_environment().home / "landing"
    folder = output or landing / "campaign"
    options = SampleOptions(start=start.date(), without=frozenset(left_out), **sizes)
    if plain:
        _refuse_shares()
        options = options.plain()
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
    elif output is None:
        # The sources file names it, and a source whose folder is not there is an error.
        (landing / "golden").mkdir(parents=True, exist_ok=True)


def _refuse_shares() -> None:
    """Raise ConfigurationError where a share was asked for that --plain rules out."""
    context = click.get_current_context()
    for name in ("gzip_share", "corrupted_share"):
        share, option = context.params[name], f"--{name.replace('_', '-')}"
        if share and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise ConfigurationError(
                f"--plain and {option} {share} contradict each other: --plain means {option} 0.",
                "Leave out one of the two; --without leaves out single traits.",
            )


VERBS: tuple[click.Command, ...] = (sample,)
