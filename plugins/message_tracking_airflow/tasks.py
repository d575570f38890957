"""The tasks that the DAGs are put together from. What they do is the library's; here is how Airflow sees it.

What is heavy to import is imported within the task: Airflow reads this file each time it parses a DAG.
"""

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from message_tracking import publication
from message_tracking.building import project_digest
from message_tracking.errors import MessageTrackingError, RefusedError
from message_tracking.settings import Settings
from message_tracking.waiting_loads import has_waiting_loads, wait_for_running_loads
from message_tracking.warehouse import Warehouse
from message_tracking_airflow.hooks import WarehouseHook, source_connection

if TYPE_CHECKING:
    from message_tracking.loading.summary import LoadSummary
    from message_tracking.source_files import SourceFiles
    from message_tracking.sources import Sources

log = logging.getLogger(__name__)

LOAD_PATIENCE = timedelta(minutes=5)
"""How long a publication waits for loads that are going on when it begins."""
REFUSED_FILES, ALARMS = "refused_files", "alarms"
"""XCom keys under which a load leaves what `report_refused_files` reports."""

REFUSED_HINT = (
    "Repair or replace them, or raise the source's reject_limit if their lines are as they should be: "
    "the next run reads them again. Everything else was loaded."
)


@task
def list_servers() -> list[dict[str, str]]:
    """List every source with each of its tracking servers, and with none where these cannot be listed."""
    return [
        {"source_name": source.name, "server": server}
        for source in _read_sources().sources
        for server in _servers(source.name)
    ]


@task
def list_sources() -> list[dict[str, str]]:
    """List every source."""
    return [{"source_name": source.name} for source in _read_sources().sources]


@task(map_index_template="{{ task.op_kwargs['source_name'] }} {{ task.op_kwargs['server'] }}")
def load_tracking_logs(source_name: str, server: str) -> dict[str, int]:
    """Load what is new in the tracking logs of one server, or of all where they could not be listed before."""
    from message_tracking.loading.purging import forecasting  # noqa: PLC0415
    from message_tracking.loading.summary import total  # noqa: PLC0415
    from message_tracking.loading.tracking_logs import load_tracking_logs  # noqa: PLC0415

    warehouse, files = WarehouseHook().get_warehouse(), _open(source_name)
    with forecasting(warehouse, files.source):
        servers = [server] if server else files.servers()
    return _announce(
        warehouse, total(source_name, server, [load_tracking_logs(warehouse, files, name) for name in servers])
    )


@task(map_index_template="{{ task.op_kwargs['source_name'] }}")
def load_delivery_data(source_name: str) -> dict[str, int]:
    """Load what is new in the export files and message bodies of one source."""
    from message_tracking.loading.delivery_data import load_delivery_data  # noqa: PLC0415

    warehouse = WarehouseHook().get_warehouse()
    summary = load_delivery_data(warehouse, _open(source_name))
    return _announce(warehouse, summary)


@task
def check_health() -> None:
    """Ask all tracking servers that the sources name probes of whether they are well; skip where there are none."""
    from message_tracking.transports.health import check_health  # noqa: PLC0415

    probes = [address for source in _read_sources().sources for address in source.health]
    if not probes:
        raise AirflowSkipException("No source names a `health` probe.")
    for answer in check_health(probes):
        log.info("%s", answer)


@task(trigger_rule="none_failed")
def report_refused_files(load_task_id: str) -> None:
    """Turn the run red if a load refused a file or raised an alarm; what it has loaded is announced all the same."""
    refused, alarms = (_left_by(load_task_id, key) for key in (REFUSED_FILES, ALARMS))
    lines = (
        [f"{len(refused)} file(s) were refused and nothing of them counts:", *refused, REFUSED_HINT] if refused else []
    )
    if lines or alarms:
        raise AirflowFailException("\n".join([*lines, *alarms]))


def _left_by(load_task_id: str, key: str) -> list[str]:
    """Lines that all instances of a load have left under a key."""
    # A list of task ids gives the values of all mapped instances; a single one only that of an unmapped task.
    left = get_current_context()["ti"].xcom_pull(task_ids=[load_task_id], key=key)
    return [line for of_one_load in left for line in of_one_load or []]


# Somebody else's build may be going on: wait for it, or until the lease of one that died has ended.
@task(retries=120, retry_delay=timedelta(minutes=1))
def open_candidate() -> int:
    """Open a candidate publication for everything loaded since the live one; skip where nothing is new."""
    context = get_current_context()
    warehouse = WarehouseHook().get_warehouse()
    # Reference data is there before the logs are: one publication for both, not two.
    wait_for_running_loads(warehouse, LOAD_PATIENCE, log.info)
    candidate = publication.open_candidate(
        warehouse,
        holder(context["run_id"]),
        project=project_digest(Settings.from_environment()),
    )
    if candidate is None:
        raise AirflowSkipException("Nothing new since the live publication: there is nothing to publish.")
    log.info(
        "Candidate %s takes in loads %s to %s.",
        candidate.publication_id,
        candidate.from_position + 1,
        candidate.to_position,
    )
    return candidate.publication_id


@task
def audit_marts(candidate: int) -> str:
    """Judge the candidate with dbt's tests and every suite; on a critical finding refuse it and undo it."""
    from message_tracking.validation.gate import validate  # noqa: PLC0415

    warehouse = WarehouseHook().get_warehouse()
    settings = Settings.from_environment()
    verdict = validate(warehouse, settings, candidate, log.info)
    log.info("%s\nData Docs: %s", verdict.report(), settings.data_docs / "index.html")
    if not verdict.is_publishable:
        publication.refuse(warehouse, candidate, verdict.summary())
        # Judging bad data a second time does not improve it: no retry.
        raise AirflowFailException(
            f"{verdict.report()}\nNothing was published. See docs/runbooks/refused_candidate.md."
        )
    return verdict.summary()


@task
def publish_marts(candidate: int) -> dict[str, int]:
    """Show the candidate to all readers at once."""
    try:
        published = publication.publish(WarehouseHook().get_warehouse(), Settings.from_environment(), candidate)
    except RefusedError as error:
        raise AirflowFailException(str(error)) from error
    log.info("%s", published.report())
    return {"publication_id": published.publication_id, "event_count": published.event_count}


@task
def release_candidate(candidate: int) -> None:
    """Undo and close the candidate if it was neither published nor refused, so that the next build need not wait."""
    publication.abandon(WarehouseHook().get_warehouse(), candidate, "its DAG run failed")


# A publication may be going on: wait for it.
@task(retries=20, retry_delay=timedelta(minutes=1))
def audit_everything() -> None:
    """Compute and judge anew everything that is published, publish nothing, and fail where a row differs."""
    from message_tracking.pipeline import recompute_everything  # noqa: PLC0415

    warehouse = WarehouseHook().get_warehouse()
    settings = Settings.from_environment()
    try:
        differences = recompute_everything(warehouse, settings, dry_run=True, report=log.info, detail=log.info)
    except RefusedError as error:
        raise AirflowFailException(str(error)) from error
    if differences:
        raise AirflowFailException(
            f"Published figures differ from those computed anew, in {', '.join(differences)}: the lines above say by "
            "how much. Readers still see the published ones; docs/runbooks/differing_figures.md says how to go on."
        )


# A publication may be going on: wait for it.
@task(retries=120, retry_delay=timedelta(minutes=1))
def erase_recipients() -> dict[str, Any]:
    """Erase whom the run's params name, or only say what there is of them; returns the receipt."""
    from message_tracking.erasing.erasure import erase  # noqa: PLC0415

    params = get_current_context()["params"]
    done = erase(
        WarehouseHook().get_warehouse(),
        Settings.from_environment(),
        params["recipient_ids"],
        listed=params["listed"],
        dry_run=params["dry_run"],
        report=log.info,
    )
    log.info("%s", done.report())
    return {"erasure_id": done.erasure_id, "recipient_count": done.recipient_count, "counts": dict(done.counts)}


def holder(run_id: str) -> str:
    """Name the DAG run in the list of publications."""
    return f"publish_tracking_marts {run_id}"


def _read_sources() -> "Sources":
    from message_tracking.sources import configured_sources  # noqa: PLC0415

    return configured_sources(Settings.from_environment())


def _open(source_name: str) -> "SourceFiles":
    from message_tracking.transports.opening import open_source  # noqa: PLC0415

    return open_source(_read_sources().named(source_name), source_connection)


def _servers(source_name: str) -> list[str]:
    """Names of a source's servers. Where they cannot be listed, '': the task that is to load them says why."""
    try:
        return _open(source_name).servers()
    except MessageTrackingError as error:
        log.warning("The servers of the source %s cannot be listed: %s", source_name, error)
        return [""]


def _announce(warehouse: Warehouse, summary: "LoadSummary") -> dict[str, Any]:
    """Log a load and end its task: a success emits the task's asset, a skip does not."""
    ti = get_current_context()["ti"]
    for warning in summary.warnings:
        log.warning("%s", warning)
    if summary.alarms:
        ti.xcom_push(ALARMS, summary.alarms)
    if summary.failed_files:
        ti.xcom_push(REFUSED_FILES, [f"  {file.file_name}: {file.reason}" for file in summary.failed_files])
    counts = {
        "files": summary.files,
        "line_count": summary.line_count,
        "accepted": summary.accepted,
        "rejected": summary.rejected,
        "already_loaded": summary.already_loaded,
        "erased": summary.erased,
    }
    log.info("%s %s: %s; rejected by reason: %s", summary.source, summary.server, counts, dict(summary.reject_reasons))
    # A try that was killed after its commit has announced nothing.
    is_left_over = ti.try_number > 1 and has_waiting_loads(warehouse, summary.source, summary.server)
    if not (summary.is_new or is_left_over):
        raise AirflowSkipException("Nothing new was accepted, so nothing is announced.")
    return counts
