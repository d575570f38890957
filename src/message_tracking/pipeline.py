"""The whole pipeline in one process: what the DAGs do, without Airflow."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from time import monotonic

import psycopg2

from message_tracking.building import Report, build, project_digest
from message_tracking.errors import HeldError, MessageTrackingError, RefusedError
from message_tracking.publication import (
    Candidate,
    Publication,
    abandon,
    changed_rows,
    is_open,
    open_candidate,
    publish,
    refuse,
    shell_holder,
)
from message_tracking.settings import Settings
from message_tracking.validation.gate import validate
from message_tracking.warehouse import Warehouse


def be_quiet(_: str) -> None:
    """Report nothing."""


def publish_what_is_new(
    warehouse: Warehouse, settings: Settings, *, full: bool = False, report: Report = print, detail: Report = be_quiet
) -> Publication | None:
    """Build, judge and publish what was loaded since the live publication; None where nothing was.

    `report` gets a line per step, `detail` what dbt and the checks say meanwhile. Raises RefusedError, after the
    candidate was undone, where a critical check failed; HeldError where another build is going on or has taken over.
    """
    with _candidate(warehouse, settings, full=full) as candidate:
        if candidate is None:
            report("Nothing new since the live publication: nothing to publish.")
            return None
        if candidate.is_full:
            report("Everything is computed anew.")
        _build_and_judge(warehouse, settings, candidate, report, detail)
        return _publish(warehouse, settings, candidate, report)


def recompute_everything(
    warehouse: Warehouse,
    settings: Settings,
    *,
    dry_run: bool = False,
    report: Report = print,
    detail: Report = be_quiet,
) -> dict[str, tuple[int, int]]:
    """Compute every figure anew, say what differs from the live publication, and publish unless it is a `dry_run`.

    A dry run takes in what the live publication has taken in, nothing newer, and so must come to the same figures.
    Otherwise User-Agents are looked up in the list of crawlers that is installed now. Returns how many rows (came,
    went) by relation, of those that differ. Raises as `publish_what_is_new` does.
    """
    if not dry_run:
        from message_tracking.loading.user_agents import refresh_crawlers  # noqa: PLC0415  (polars is heavy)

        if count := refresh_crawlers(warehouse):
            report(f"{count} User-Agents are judged otherwise by the list of crawlers that is installed now.")
    with _candidate(warehouse, settings, full=True, only_published=dry_run) as candidate:
        if candidate is None:
            report(f"Nothing was {'published' if dry_run else 'loaded'} yet: nothing to compute.")
            return {}
        _build_and_judge(warehouse, settings, candidate, report, detail)
        if candidate.to_position > candidate.from_position:
            report("It takes in loads that were not published yet, so figures may differ for that reason alone.")
        differences = changed_rows(warehouse, candidate.publication_id)
        for relation, (came, went) in differences.items():
            report(f"  {relation} differs: {came} rows came, {went} went.")
        if not differences:
            report("Every figure equals the published one, row for row.")
        if dry_run:
            abandon(warehouse, candidate.publication_id, "a dry run")
            report("A dry run: nothing was published.")
        else:
            _publish(warehouse, settings, candidate, report)
        return differences


def _build_and_judge(
    warehouse: Warehouse, settings: Settings, candidate: Candidate, report: Report, detail: Report
) -> None:
    """Build the candidate and judge it; refuse it where a critical check failed."""
    with _losing_it_is_held(warehouse, candidate):
        with _step(f"Build candidate {candidate.publication_id}", report):
            build(warehouse, settings, candidate.publication_id, detail)
        with _step(f"Judge candidate {candidate.publication_id}", report):
            verdict = validate(warehouse, settings, candidate.publication_id, detail)
    report(verdict.report())
    if not verdict.is_publishable:
        refuse(warehouse, candidate.publication_id, verdict.summary())
        raise RefusedError(
            f"Candidate {candidate.publication_id} was refused and undone.",
            "Readers keep the last publication. docs/runbooks/refused_candidate.md says how to go on.",
        )


def _publish(warehouse: Warehouse, settings: Settings, candidate: Candidate, report: Report) -> Publication:
    with _step(f"Publish {candidate.publication_id}", report):
        publication = publish(warehouse, settings, candidate.publication_id)
    report(publication.report())
    return publication


@contextmanager
def _candidate(
    warehouse: Warehouse, settings: Settings, *, full: bool, only_published: bool = False
) -> Iterator[Candidate | None]:
    """Open a candidate for as long as this process lives; give it up, undone, if anything fails."""
    holder = f"{shell_holder()}, process {os.getpid()}"
    with closing(warehouse.connect("message-tracking run")) as session:
        candidate = open_candidate(
            warehouse,
            holder,
            full=full,
            only_published=only_published,
            project=project_digest(settings),
            session=session,
        )
        try:
            yield candidate
        except BaseException as error:
            if candidate is not None:
                abandon(warehouse, candidate.publication_id, f"the run failed: {error.__class__.__name__}")
            raise


@contextmanager
def _losing_it_is_held(warehouse: Warehouse, candidate: Candidate) -> Iterator[None]:
    """Raise HeldError for whatever fails because the candidate is not open any more: dbt, a check or a record."""
    try:
        yield
    except (MessageTrackingError, psycopg2.Error) as error:
        if is_open(warehouse, candidate.publication_id):
            raise
        raise HeldError(
            f"Candidate {candidate.publication_id} is no longer open, so the run has ended.",
            "Another build took over, or it was abandoned. `message-tracking status` says who holds it; run again.",
        ) from error


@contextmanager
def _step(name: str, report: Report) -> Iterator[None]:
    report(f"{datetime.now(UTC):%H:%M:%S} {name} …")
    started = monotonic()
    yield
    report(f"{datetime.now(UTC):%H:%M:%S} {name}: {monotonic() - started:.1f} s")
