"""Verbs about the warehouse and its server: `migrate`, `dsn`, `stop-server`, `doctor`."""

import sys

import click

from message_tracking.doctor import examine
from message_tracking.embedded import EmbeddedServer, open_warehouse
from message_tracking.errors import ConfigurationError
from message_tracking.migrating import GROUPS, login_name, migrate
from message_tracking.settings import Settings


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Only list the migrations that would be applied.")
def migrate_verb(dry_run: bool) -> None:
    """Bring the warehouse's database up to date: roles, schemas, tables.

    Starts the embedded server if it is not running and makes one login per group of readers on it. On a server of your
    own (MESSAGE_TRACKING_WAREHOUSE) the roles are made too, logins are yours to make.
    """
    settings = Settings.from_environment()
    warehouse = open_warehouse(settings)
    names = migrate(warehouse, settings, dry_run=dry_run, progress=click.echo)
    if not names:
        click.echo(f"Nothing to apply: the warehouse at {warehouse.address} is up to date.")
    elif dry_run:
        click.echo("\n".join(f"Would apply {name}" for name in names))
    else:
        click.echo(f"The warehouse at {warehouse.address} is up to date.")


@click.command()
@click.option("--role", type=click.Choice(GROUPS), help="The login of these readers instead of the pipeline's.")
def dsn(role: str | None) -> None:
    """Print the warehouse's address as one line, starting the embedded server if it is not running."""
    settings = Settings.from_environment()
    if settings.warehouse_url and role:
        raise ConfigurationError(
            f"The login of {role} on a server of your own is not known here.",
            f"Make a login there and grant it the role: grant {role} to <login>.",
        )
    url = open_warehouse(settings).url
    click.echo(EmbeddedServer(settings.home).url(login_name(role)) if role else url)


@click.command("stop-server")
def stop_server() -> None:
    """Stop the embedded server, ending its sessions."""
    settings = Settings.from_environment()
    if settings.warehouse_url:
        raise ConfigurationError(
            "MESSAGE_TRACKING_WAREHOUSE names a server of your own, which is stopped where it was started.",
            f"Unset it to stop the embedded one in {settings.home}.",
        )
    was_running = EmbeddedServer(settings.home).stop()
    click.echo(
        f"Stopped the embedded PostgreSQL in {settings.home}."
        if was_running
        else f"The embedded PostgreSQL in {settings.home} was not running."
    )


@click.command()
def doctor() -> None:
    """Look for what is wrong with the installation and say what to do. Changes and starts nothing.

    Exit code 1 if something keeps the pipeline from working; warnings do not.
    """
    has_error = False
    for diagnosis in examine(Settings.from_environment()):
        click.echo(str(diagnosis))
        has_error |= diagnosis.is_error
    if has_error:
        sys.exit(1)


VERBS: tuple[click.Command, ...] = (migrate_verb, dsn, stop_server, doctor)
