"""Verbs about the whole stack on this machine: `demo`, `up`, `down`."""

import os
import signal
import sys
from types import FrameType

import click
from rich.console import Console

from message_tracking.demo import run_demo
from message_tracking.embedded import EmbeddedServer, open_warehouse
from message_tracking.local_airflow import ADMIN, LocalAirflow
from message_tracking.migrating import migrate
from message_tracking.settings import Settings

LEAST_WIDTH = 120
"""Columns of the demo's tables where the output is no terminal."""


@click.command()
@click.option("--lines", default=50_000, show_default=True, help="Log lines of the sample.")
def demo(lines: int) -> None:
    """Run a sample through the whole stack: files, Airflow, dbt, checks, published marts.

    Starts the embedded PostgreSQL and a local Airflow, and stops Airflow at the end. Running it again publishes nothing
    new and says so.
    """
    _end_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else LEAST_WIDTH)
    run_demo(Settings.from_environment(), lines, console)


@click.command()
def up() -> None:
    """Start PostgreSQL and Airflow on 127.0.0.1 and leave them running."""
    _end_on_sigterm()
    settings = Settings.from_environment()
    migrate(open_warehouse(settings), settings, progress=click.echo)
    EmbeddedServer(settings.home).start()
    airflow = LocalAirflow(settings)
    has_started = airflow.start(lambda line: click.echo(f"Airflow: {line}"))
    click.echo(f"Airflow {'is up' if has_started else 'was up already'}: {airflow.url}")
    click.echo(f"Log in as {ADMIN}; the password is in {airflow.passwords.path}")
    click.echo("DAGs are paused when they first appear: unpause publish_tracking_marts before the two ingests.")


@click.command()
def down() -> None:
    """Stop Airflow and the embedded PostgreSQL."""
    settings = Settings.from_environment()
    for name, was_running in (
        ("Airflow", LocalAirflow(settings).stop()),
        ("PostgreSQL", EmbeddedServer(settings.home).stop()),
    ):
        click.echo(f"{name}: {'stopped' if was_running else 'was not running'}")


VERBS: tuple[click.Command, ...] = (demo, up, down)


def _end_on_sigterm() -> None:
    """Leave on SIGTERM as on Ctrl-C, by way of every `finally`, so that no child process stays behind."""

    def leave(number: int, _frame: FrameType | None) -> None:
        os.write(2, b"Stopping ...\n")
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
