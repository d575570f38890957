"""The verb `erase`."""

from pathlib import Path

import click

from message_tracking.errors import ConfigurationError
from message_tracking.migrating import ready_warehouse
from message_tracking.settings import Settings


@click.command()
@click.option(
    "--recipient", "recipients", type=int, multiple=True, metavar="ID", help="Whom to erase; may be repeated."
)
@click.option(
    "--list",
    "list_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with a recipient_id per line.",
)
@click.option("--listed", is_flag=True, help="All whom exports named `erasures` ask for.")
@click.option("--dry-run", is_flag=True, help="Only say what of them is in the warehouse.")
def erase(recipients: tuple[int, ...], list_file: Path | None, listed: bool, dry_run: bool) -> None:
    """Erase persons everywhere for good: raw events, reference data, rejected lines, marts, landing files, logs.

    All figures stay as they are. What comes in of them later is turned away and counted. There is no way back but a
    backup; docs/runbooks/erasure.md says what else there is to do. Without a name it erases what came in of persons
    who were erased before.
    """
    from message_tracking.erasing.erasure import erase as erase_persons  # noqa: PLC0415  (polars takes its time)

    settings = Settings.from_environment()
    wanted = [*recipients, *(_ids(list_file) if list_file else ())]
    done = erase_persons(
        ready_warehouse(settings),
        settings,
        wanted,
        listed=listed,
        dry_run=dry_run,
        report=lambda step: click.echo(f"{step} …", err=True),
    )
    click.echo(done.report())


def _ids(file: Path) -> list[int]:
    """Read a list of recipients; a header named like the column is passed over."""
    ids = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        text = line.strip()
        if not text or (number == 1 and text == "recipient_id"):
            continue
        try:
            ids.append(int(text))
        except ValueError as error:
            raise ConfigurationError(
                f"{file}, line {number}: {text!r} is no recipient_id.", "Write one number per line; nobody was erased."
            ) from error
    return ids


VERBS: tuple[click.Command, ...] = (erase,)
