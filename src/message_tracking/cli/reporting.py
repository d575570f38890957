"""The verb that shows the report pages: `reports`."""

from secrets import token_urlsafe

import click
import uvicorn

from message_tracking.migrating import GROUPS, ready_warehouse
from message_tracking.reports.access import served_alone
from message_tracking.reports.reading import Readers
from message_tracking.settings import Settings

HOST = "127.0.0.1"


@click.command()
@click.option("--port", default=8090, show_default=True, help="Where the pages are, on 127.0.0.1 only.")
@click.option(
    "--role",
    "roles",
    type=click.Choice(GROUPS),
    multiple=True,
    default=("bi_reader",),
    show_default=True,
    help="Whose pages are open; may be repeated.",
)
def reports(port: int, roles: tuple[str, ...]) -> None:
    """Show the report pages on this machine until Ctrl-C, read-only, for whoever has the token it prints.

    Starts the embedded server if it is not running.
    """
    settings = Settings.from_environment()
    ready_warehouse(settings)
    readers = Readers.of_settings(settings)
    token = token_urlsafe(24)
    click.echo(f"Open http://{HOST}:{port}/login?token={token}")
    try:
        # Without the access log: it would hold the token.
        uvicorn.run(
            served_alone(readers, token, frozenset(roles)),
            host=HOST,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
        )
    finally:
        readers.close()


VERBS: tuple[click.Command, ...] = (reports,)
