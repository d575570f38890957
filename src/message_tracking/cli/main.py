"""The group that holds the verbs, and how errors are shown."""

import sys

import click

from message_tracking.cli import developing, loading, publishing, sampling, server, stack
from message_tracking.errors import MessageTrackingError


class Verbs(click.Group):
    """Shows the errors meant for users as two lines, not as a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; turn a MessageTrackingError into its message and exit code."""
        try:
            return super().invoke(ctx)
        except MessageTrackingError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(error.exit_code)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="message-tracking")
def main() -> None:
    """Message-tracking warehouse: from tracking-log files to published reports.

    Exit codes: 0 done, 1 failed, 2 wrong use or configuration, 3 held by another run, 4 refused by the gate.
    """


for verb in (*server.VERBS, *sampling.VERBS, *loading.VERBS, *publishing.VERBS, *developing.VERBS, *stack.VERBS):
    main.add_command(verb)
