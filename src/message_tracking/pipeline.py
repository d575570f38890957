"""The whole pipeline in one process: what the DAGs do, without Airflow."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from time import monotonic

from message_tracking.building import Report, build
from message_tracking.errors import RefusedError
from message_tracking.publication import Candidate, Publication, abandon, open_candidate, publish, refuse
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
    candidate was undone, where a critical check failed; HeldError where another build is going on.
    """
    with _candidate(warehouse, full=full) as candidate:
        if candidate is None:
            report("Nothing new since the live publication: nothing to publish.")
            return None
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
        with _step(f"Publish {candidate.publication_id}", report):
            publication = publish(warehouse, settings, candidate.publication_id)
        report(f"Published {publication.publication_id} with {publication.event_count} new events.")
        return publication


@contextmanager
def _candidate(warehouse: Warehouse, *, full: bool) -> Iterator[Candidate | None]:
    """Open a candidate for as long as this process lives; give it up, undone, if anything fails."""
    holder = f"message-tracking on {socket.gethostname()}, process {os.getpid()}"
    with closing(warehouse.connect("message-tracking run")) as session:
        candidate = open_candidate(warehouse, holder, full=full, session=session)
        try:
            yield candidate
        except BaseException as error:
            if candidate is not None:
                abandon(warehouse, candidate.publication_id, f"the run failed: {error.__class__.__name__}")
            raise


@contextmanager
def _step(name: str, report: Report) -> Iterator[None]:
    report(f"{datetime.now(UTC):%H:%M:%S} {name} …")
    started = monotonic()
    yield
    report(f"{datetime.now(UTC):%H:%M:%S} {name}: {monotonic() - started:.1f} s")
