"""The verb of analysts: `dev`."""

import click

from message_tracking.cli.publishing import verbose_option
from message_tracking.developing import build_trial, drop_trial
from message_tracking.pipeline import be_quiet
from message_tracking.settings import Settings


@click.command()
@click.argument("models", nargs=-1, metavar="MODEL...")
@click.option("--drop", is_flag=True, help="Drop your schema with all that is in it, instead of building.")
@verbose_option
def dev(models: tuple[str, ...], drop: bool, verbose: bool) -> None:
    """Build and test changed models in a schema of your own, dev_<login>, beside what is published.

    MODEL is a mart, model of `intermediate` or seed by its name, or NAME+ with everything that is built on it. What is
    not named is read from the pipeline's schemas, as the live publication shows it. Nothing else is written, nobody is
    kept waiting, and a build that is going on does not matter. All deliveries are computed.

    On the embedded server this is done with the analysts' login, on a server of your own
    (MESSAGE_TRACKING_WAREHOUSE) with the one in its URL.
    """
    settings = Settings.from_environment()
    if drop == bool(models):
        raise click.UsageError("Name what to build, or give --drop alone.")
    if drop:
        click.echo(f"Dropped {drop_trial(settings)}.")
        return
    trial = build_trial(settings, models, click.echo if verbose else be_quiet)
    click.echo(f"Built and tested on the data of publication {trial.publication_id}:")
    click.echo("\n".join(f"  {trial.schema}.{relation}" for relation in trial.relations))
    login = "MESSAGE_TRACKING_WAREHOUSE" if settings.warehouse_url else "`message-tracking dsn --role tracking_analyst`"
    click.echo(f"Query them with the login of {login}. `message-tracking dev --drop` removes the schema.")


VERBS: tuple[click.Command, ...] = (dev,)
