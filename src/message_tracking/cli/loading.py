"""The verbs that bring lines in: `load` from the sources, `replay` from what was rejected."""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import partial

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from message_tracking.errors import ConfigurationError, HeldError, MessageTrackingError, UnreadableFileError
from message_tracking.loading.summary import FailedFile, LoadSummary
from message_tracking.migrating import ready_warehouse
from message_tracking.settings import Settings
from message_tracking.source_files import SourceFile
from message_tracking.sources import Source, configured_sources
from message_tracking.transports.opening import open_source
from message_tracking.warehouse import Warehouse


@click.command("load")
@click.option("--source", "source_name", metavar="NAME", help="Only this source of the sources file.")
@click.option("--server", metavar="NAME", help="Only this tracking server's logs, and no reference data.")
@click.option("--accept-columns", is_flag=True, help="Read columns of a database although their type has changed.")
def load_verb(source_name: str | None, server: str | None, accept_columns: bool) -> None:
    """Load what is new in the sources: reference data (exports and message bodies) first, then tracking logs.

    Every line is loaded once, however often its file is met; what cannot be read is kept with its reason. A file that
    has to be refused does not keep the others from being loaded.
    """
    settings = Settings.from_environment()
    failed_files = load_everything(
        ready_warehouse(settings), settings, source_name, server, accept_columns=accept_columns
    )
    if failed_files:
        raise MessageTrackingError(
            f"{failed_files} file(s) were refused; everything else was loaded.", "The lines above say which and why."
        )


@click.command("replay")
@click.option("--source", "source_name", metavar="NAME", help="Only this source of the sources file.")
@click.option("--server", metavar="NAME", help="Only this tracking server's lines.")
@click.option("--reason", "reasons", metavar="CODE", multiple=True, help="Only lines rejected for it; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only say what would be accepted and what not.")
def replay_verb(source_name: str | None, server: str | None, reasons: tuple[str, ...], dry_run: bool) -> None:
    """Judge rejected log lines anew, after a rule of the parser has changed, and load those that are accepted now.

    Each is taken in once, however often this is run; `message-tracking run` publishes them. Lines that are rejected
    again keep their place. Reason codes are listed in docs/sources.md.
    """
    from message_tracking.loading.replaying import (  # noqa: PLC0415  (polars takes its time to import)
        replay_rejected_lines,
        servers_with_rejected_lines,
    )

    settings = Settings.from_environment()
    sources = _chosen_sources(settings, source_name)
    _check_reasons(reasons, sources)
    warehouse = ready_warehouse(settings)
    summaries: list[LoadSummary] = []
    with _progress() as bars:
        for source in sources:
            for name, size in servers_with_rejected_lines(warehouse, source).items():
                if server in {None, name}:
                    bar = bars.add_task(f"{source.name}/{name}", total=size)
                    advance = partial(bars.advance, bar)
                    summaries.append(
                        replay_rejected_lines(
                            warehouse, source, name, reasons=reasons, dry_run=dry_run, progress=advance
                        )
                    )
    if not summaries:
        click.echo("There are no rejected lines here.")
        return
    _show(summaries)
    if dry_run:
        click.echo("A dry run: nothing was changed. `Accepted` counts lines that are loaded already too.")


def _check_reasons(reasons: Collection[str], sources: Collection[Source]) -> None:
    """Refuse reasons that no line of these sources can be rejected for."""
    from message_tracking.loading.line_formats import reject_reasons  # noqa: PLC0415

    known = dict.fromkeys(reason for source in sources for reason in reject_reasons(source))
    if unknown := sorted(set(reasons) - set(known)):
        raise click.BadParameter(f"{', '.join(unknown)}: no such reason. There are: {', '.join(known)}.")


def _chosen_sources(settings: Settings, name: str | None) -> list[Source]:
    """The one source that is named, else all."""
    sources = configured_sources(settings)
    return [sources.named(name)] if name else list(sources.sources)


def load_everything(
    warehouse: Warehouse,
    settings: Settings,
    source_name: str | None = None,
    server: str | None = None,
    *,
    accept_columns: bool = False,
) -> int:
    """Load all sources, or the one source or server that is named, show what was done, return how many files failed.

    Raises HeldError, after all others were loaded, where some of it is being loaded by somebody else.
    """
    chosen = _chosen_sources(settings, source_name)
    summaries: list[LoadSummary] = []
    held: list[HeldError] = []
    with _progress() as bars:
        for step in _steps(warehouse, chosen, server, bars, accept_columns=accept_columns):
            if isinstance(step, HeldError):
                held.append(step)
            else:
                summaries.append(step)
    if server and not summaries and not held:
        names = ", ".join(f"{source.name}/{known}" for source in chosen for known in open_source(source).servers())
        raise MessageTrackingError(f"There is no tracking server {server!r}.", f"Found: {names or 'none'}.")
    _show(summaries)
    if held:
        raise HeldError("\n".join(error.what for error in held), held[0].hint)
    return sum(len(summary.failed_files) for summary in summaries)


def _steps(
    warehouse: Warehouse, sources: list[Source], server: str | None, bars: Progress, *, accept_columns: bool
) -> Iterator[LoadSummary | HeldError]:
    """Load one thing after the other; what somebody else is loading gives its HeldError."""
    # Polars takes its time to import: only who loads pays.
    from message_tracking.loading.delivery_data import load_delivery_data  # noqa: PLC0415
    from message_tracking.loading.purging import forecasting  # noqa: PLC0415
    from message_tracking.loading.tracking_logs import load_tracking_logs  # noqa: PLC0415

    for source in sources:
        try:
            files = open_source(source)
            with forecasting(warehouse, source, server or ""):
                sizes = {name: _size(files.log_files(name)) for name in files.servers() if server in {None, name}}
        except (ConfigurationError, UnreadableFileError) as error:
            yield LoadSummary(source.name, failed_files=[FailedFile(source.name, str(error))])
            continue
        if server is None:
            yield _attempt(source, "", partial(load_delivery_data, warehouse, files, accept_columns=accept_columns))
        for name, size in sizes.items():
            bar = bars.add_task(f"{source.name}/{name}", total=size)
            progress = partial(bars.advance, bar)
            yield _attempt(source, name, partial(load_tracking_logs, warehouse, files, name, progress=progress))


def _size(files: list[SourceFile]) -> int:
    """Bytes of those files that can be looked at; whoever loads the others says what is wrong with them."""
    size = 0
    for file in files:
        with suppress(OSError, UnreadableFileError):
            size += file.state().size
    return size


def _attempt(source: Source, server: str, load: Callable[[], LoadSummary]) -> LoadSummary | HeldError:
    """Load one thing; what keeps it from being loaded does not keep the others."""
    try:
        return load()
    except HeldError as error:
        return error
    except UnreadableFileError as error:
        return LoadSummary(source.name, server, failed_files=[FailedFile(str(source.path), str(error))])


def _progress() -> Progress:
    """Bars in bytes of files, on the error stream so that the summary can be piped."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _show(summaries: list[LoadSummary]) -> None:
    """Print a line per source and server, then warnings and refused files."""
    table = Table(
        "Source", "Server", *(_number(name) for name in ("Files", "Read", "Accepted", "Rejected", "Already loaded"))
    )
    for summary in summaries:
        counts = (summary.files, summary.line_count, summary.accepted, summary.rejected, summary.already_loaded)
        table.add_row(summary.source, summary.server or "(reference data)", *(f"{count:,}" for count in counts))
    console = Console(highlight=False, width=None if Console().is_terminal else 110)
    console.print(table)
    for summary in summaries:
        where = "/".join(filter(None, (summary.source, summary.server)))
        for reason, count in summary.reject_reasons.most_common():
            click.echo(f"{where}: rejected {count:,} for {reason}")
        if summary.unfinished:
            click.echo(f"{where}: {summary.unfinished} file(s) end with an unfinished line, which waits")
        if summary.ignored:
            click.echo(f"{where}: {summary.ignored} file(s) are not named like what is read there and were left alone")
        if summary.erased:
            click.echo(f"{where}: turned away {summary.erased:,} of erased persons")
        for warning in summary.warnings:
            click.echo(f"Warning: {warning}", err=True)
        for alarm in summary.alarms:
            click.echo(f"Alarm: {alarm}", err=True)
        for failed in summary.failed_files:
            click.echo(f"Refused: {_refusal(failed.file_name, failed.reason)}", err=True)


def _number(title: str) -> Column:
    """Make a column of numbers."""
    return Column(title, justify="right")


def _refusal(file_name: str, reason: str) -> str:
    """Name the file, unless its reason does."""
    return reason if file_name in reason else f"{file_name}: {reason}"


VERBS: tuple[click.Command, ...] = (load_verb, replay_verb)
