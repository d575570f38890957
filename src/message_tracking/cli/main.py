"""The group that holds the verbs, and how errors are shown."""

import errno
import os
import sys
from collections.abc import Iterator
from importlib import import_module

import click
import psycopg2
from psycopg2 import errors

from message_tracking.errors import MessageTrackingError

_MODULES = ("sampling", "server", "erasing", "loading", "publishing", "developing", "stack", "reporting")
"""Where the verbs are, what is imported fastest first: nobody waits for modules behind the verb's own."""


class Verbs(click.Group):
    """Shows the errors meant for users as two lines, not as a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; turn errors of ours, of the server and of the machine into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except MessageTrackingError as error:
            _end(error)
        except psycopg2.Error as error:
            _end(_of_server(error))
        except OSError as error:
            # Click itself sees to an output that nobody reads any more.
            if error.errno in {errno.EPIPE, None}:
                raise
            _end(_of_machine(error))
        return None


def _end(error: MessageTrackingError) -> None:
    """Show an error and end with its exit code."""
    click.echo(f"Error: {error}", err=True)
    sys.exit(error.exit_code)


def _of_server(error: psycopg2.Error) -> MessageTrackingError:
    """Say what the server or the connection to it did, and how to go on."""
    # What follows a lost connection is only that it is closed.
    cause = next((one for one in _chain(error) if isinstance(one, psycopg2.OperationalError)), error)
    said = str(cause).strip()
    if isinstance(cause, errors.DiskFull):
        return MessageTrackingError(
            f"The disk of the warehouse's server is full: {said}",
            "Free space there and run this again: what was not finished was taken back, nothing is lost.",
        )
    if isinstance(cause, psycopg2.OperationalError):
        return MessageTrackingError(
            f"The warehouse's server has ended the work: {said}",
            "When it answers again (`message-tracking doctor`), run this again: what was not finished was taken back, "
            "nothing is lost.",
        )
    return MessageTrackingError(
        f"The warehouse's server has refused a statement ({cause.pgcode}): {said}",
        "`message-tracking doctor` looks for the cause. What was not finished was taken back.",
    )


def _of_machine(error: OSError) -> MessageTrackingError:
    """Say what a file or the disk of this machine lacks."""
    where = f"{error.filename}: " if error.filename else ""
    what = os.strerror(error.errno or 0)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return MessageTrackingError(
            f"The disk is full: {where}{what}.", "Free space and run this again: nothing that was loaded is lost."
        )
    return MessageTrackingError(
        f"{where}{what}.", "Put it right and run this again; `message-tracking doctor` looks at the usual places."
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The errors that led to this one, the first of them first."""
    earlier = error.__cause__ or error.__context__
    if earlier is not None:
        yield from _chain(earlier)
    yield error


class AllVerbs(Verbs):
    """Finds the verbs in their modules when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click calls it so)
        """The names of all verbs."""
        return sorted(verb.name for verb in _verbs() if verb.name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb of that name."""
        return next((verb for verb in _verbs() if verb.name == cmd_name), None)


def _verbs() -> Iterator[click.Command]:
    for module in _MODULES:
        yield from import_module(f"{__package__}.{module}").VERBS


@click.group(cls=AllVerbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="message-tracking")
def main() -> None:
    """Message-tracking warehouse: from tracking-log files to published reports.

    Exit codes: 0 done, 1 failed, 2 wrong use or configuration, 3 held by another run, 4 refused by the gate.
    """
