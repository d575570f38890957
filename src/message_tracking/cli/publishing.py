"""Verbs that build, judge, publish and look.

They are: run, recompute, build, validate, publish, abandon, rollback, status, metrics, docs.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click
import psycopg2

from message_tracking import building, publication
from message_tracking.building import Report
from message_tracking.dbt_manifest import fresh_manifest
from message_tracking.errors import MessageTrackingError, RefusedError
from message_tracking.loading.ledger import held_lock
from message_tracking.metrics import metrics_page
from message_tracking.migrating import ready_warehouse
from message_tracking.pipeline import be_quiet, publish_what_is_new, recompute_everything
from message_tracking.settings import Settings
from message_tracking.status import status_report
from message_tracking.validation.gate import validate as validate_candidate
from message_tracking.warehouse import Warehouse

verbose_option = click.option("-v", "--verbose", is_flag=True, help="Show what dbt and the checks print.")


@click.command()
@verbose_option
def run(verbose: bool) -> None:
    """Run the whole pipeline once: load, build, validate, publish.

    Does what the DAGs do, without Airflow. Publishes nothing where nothing is new.
    """
    from message_tracking.cli.loading import load_everything  # noqa: PLC0415  (polars is heavy: only who loads pays)

    settings = Settings.from_environment()
    warehouse = ready_warehouse(settings)
    failed_files = load_everything(warehouse, settings)
    publish_what_is_new(warehouse, settings, report=click.echo, detail=_detail(verbose))
    if failed_files:
        raise MessageTrackingError(
            f"{failed_files} file(s) were refused; everything else was loaded.", "The lines above say which and why."
        )


@click.command()
@click.option(
    "--dry-run", is_flag=True, help="Compute what is published anew, judge it, say what differs, and publish nothing."
)
@verbose_option
def recompute(dry_run: bool, verbose: bool) -> None:
    """Compute every figure anew from the raw events, say which differ from the published ones, and publish.

    What runs add up bit by bit must equal it, row for row: a difference is an error in a model, unless models or
    their variables were changed. Loads nothing.
    """
    settings = Settings.from_environment()
    warehouse = ready_warehouse(settings)
    recompute_everything(warehouse, settings, dry_run=dry_run, report=click.echo, detail=_detail(verbose))


@click.command()
@click.option("--full", is_flag=True, help="Compute every delivery again, not only those with something new.")
@verbose_option
def build(full: bool, verbose: bool) -> None:
    """Build a candidate with dbt and leave it open for `validate` and `publish`, or for `abandon`."""
    settings = Settings.from_environment()
    warehouse = ready_warehouse(settings)
    with _alone(warehouse, "build"):
        candidate = publication.open_candidate(
            warehouse, publication.shell_holder(), full=full, project=building.project_digest(settings)
        )
        if candidate is None:
            click.echo("Nothing new since the live publication: nothing to build.")
            return
        building.build(warehouse, settings, candidate.publication_id, _detail(verbose))
    click.echo(f"Built candidate {candidate.publication_id}; the schema audit shows it.")


@click.command()
@verbose_option
def validate(verbose: bool) -> None:
    """Judge the open candidate and record every result. Exit code 4 if it may not be published."""
    settings = Settings.from_environment()
    warehouse = ready_warehouse(settings)
    with _alone(warehouse, "validate"):
        verdict = validate_candidate(warehouse, settings, _open_candidate_id(warehouse), _detail(verbose))
    click.echo(verdict.report())
    if not verdict.is_publishable:
        raise RefusedError("The candidate may not be published.", "It stays open to be looked at in the schema audit.")


@click.command()
def publish() -> None:
    """Show the open candidate to all readers, if its recorded results allow it."""
    settings = Settings.from_environment()
    warehouse = ready_warehouse(settings)
    published = publication.publish(warehouse, settings, _open_candidate_id(warehouse))
    click.echo(published.report())


@click.command()
@click.option("--force", is_flag=True, help="Also that of a DAG run or of a `run` that is going on.")
def abandon(force: bool) -> None:
    """Give up and undo the open candidate of `build`, or of a run that died. Readers notice nothing."""
    abandoned = publication.abandon_open(ready_warehouse(Settings.from_environment()), force=force)
    if abandoned is None:
        click.echo("No candidate is open: nothing to abandon.")
    else:
        click.echo(f"Abandoned candidate {abandoned} and undid it.")


@click.command()
@click.option("--to", type=int, help="Number of the publication to show; default: the one before the live one.")
@click.option("--dry-run", is_flag=True, help="Only say what would be shown.")
def rollback(to: int | None, dry_run: bool) -> None:
    """Show an earlier publication again. The next run goes forward from it under a new number."""
    warehouse = ready_warehouse(Settings.from_environment())
    try:
        was, now = publication.rollback(warehouse, to, dry_run=dry_run)
    except psycopg2.OperationalError as error:
        # Done twice, it would go back twice.
        raise MessageTrackingError(
            f"The connection was lost before the server had answered: {str(error).strip()}",
            "It may have rolled back all the same: look at `message-tracking status` before you do it again.",
        ) from error
    click.echo(f"{'Would roll' if dry_run else 'Rolled'} back from publication {was} to {now}.")


@click.command()
def status() -> None:
    """Show the live publication, who builds, how far each server was read, gaps and rejected lines."""
    click.echo(status_report(ready_warehouse(Settings.from_environment())))


@click.command()
def metrics() -> None:
    """Print what every column of every mart means, with its formula: the page docs/metrics.md."""
    manifest = fresh_manifest(Settings.from_environment())
    click.echo(metrics_page(json.loads(manifest.read_text())), nl=False)


@click.command()
@verbose_option
def docs(verbose: bool) -> None:
    """Write dbt's documentation of all models and columns into one page and print where it is.

    Reads the warehouse as it is and changes nothing there; shows the columns of what was built at least once.
    """
    settings = Settings.from_environment()
    click.echo(building.document(ready_warehouse(settings), settings, _detail(verbose)))


VERBS = (run, recompute, build, validate, publish, abandon, rollback, status, metrics, docs)


@contextmanager
def _alone(warehouse: Warehouse, verb: str) -> Iterator[None]:
    """Keep other shells of this machine, which share the candidate, from building or judging it: HeldError."""
    with closing(warehouse.connect(f"message-tracking {verb}")) as session, held_lock(session, "build by hand"):
        yield


def _open_candidate_id(warehouse: Warehouse) -> int:
    candidate = publication.candidate_by_hand(warehouse)
    if candidate is None:
        raise MessageTrackingError("No candidate is open.", "Build one with `message-tracking build`.")
    return candidate


def _detail(verbose: bool) -> Report:
    return click.echo if verbose else be_quiet
