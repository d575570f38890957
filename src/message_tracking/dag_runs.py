"""Driving the DAGs of a local Airflow: start the ingests, wait for what they set off, say why a run failed."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from message_tracking.airflow_api import FINISHED, AirflowApi
from message_tracking.errors import MessageTrackingError

INGESTS = ("ingest_delivery_data", "ingest_tracking_logs")
PUBLISH = "publish_tracking_marts"

PARSE_SECONDS = 180
RUN_SECONDS = 600
PUBLISH_SECONDS = 900
POLL_SECONDS = 0.5

Tell = Callable[[str], None]
DagRun = tuple[str, str]
"""`(dag_id, run_id)`"""


def _silent(_line: str) -> None:
    pass


def wait_for_dags(api: AirflowApi) -> None:
    """Wait until Airflow has read all DAGs. Raises MessageTrackingError where it cannot read one."""

    def are_there() -> bool:
        if errors := api.import_errors():
            raise MessageTrackingError("\n".join(f"Airflow cannot read {file}:\n{why}" for file, why in errors.items()))
        return {*INGESTS, PUBLISH} <= api.dag_ids()

    _wait(are_there, PARSE_SECONDS, "Airflow has not read the DAGs")


def start_ingests(api: AirflowApi) -> list[DagRun]:
    """Start both ingests, with the DAG that consumes what they announce unpaused before them."""
    # An asset event that finds its consumer paused is lost.
    api.unpause(PUBLISH)
    return [(dag_id, start(api, dag_id)) for dag_id in INGESTS]


def start(api: AirflowApi, dag_id: str) -> str:
    """Start a run of a scheduled DAG, or take the one that unpausing it starts anyway, and return its id."""
    dag = api.dag(dag_id)
    due = dag["next_dagrun_run_after"]
    api.unpause(dag_id)
    if not (dag["is_paused"] and due and datetime.fromisoformat(due) <= datetime.now(UTC)):
        return api.trigger(dag_id)
    _wait(lambda: bool(api.runs_since(dag_id, due)), PARSE_SECONDS, f"Airflow has not started {dag_id}")
    return str(api.runs_since(dag_id, due)[-1]["dag_run_id"])


def wait_for_runs(api: AirflowApi, runs: Sequence[DagRun], tell: Tell = _silent) -> None:
    """Wait until the runs have finished.

    Raises MessageTrackingError where one has failed, with the failed tasks and the ends of their logs.
    """

    def are_finished() -> bool:
        tell(", ".join(_progress(api, dag_id, run_id) for dag_id, run_id in runs))
        states = {run: api.run(*run)["state"] for run in runs}
        for run, state in states.items():
            if state == "failed":
                raise _failure(api, *run)
        return all(state in FINISHED for state in states.values())

    _wait(are_finished, RUN_SECONDS, f"{' and '.join(dag_id for dag_id, _ in runs)} did not finish")


def wait_for_publishing(api: AirflowApi, since: str, tell: Tell = _silent) -> None:
    """Wait until no asset event waits for a run and every run has finished.

    Raises MessageTrackingError where a run has failed since the ISO 8601 moment `since`, with the failed tasks and the
    ends of their logs.
    """

    def is_finished() -> bool:
        # In this order: an event that becomes a run in between is found among the runs.
        is_quiet = not api.has_queued_events(PUBLISH)
        going_on = api.unfinished_runs(PUBLISH)
        for run in api.failed_runs_since(PUBLISH, since):
            raise _failure(api, PUBLISH, run["dag_run_id"])
        if going_on:
            tell(_progress(api, PUBLISH, going_on[0]["dag_run_id"]))
        return is_quiet and not going_on

    _wait(is_finished, PUBLISH_SECONDS, f"{PUBLISH} did not finish")


def _wait(condition: Callable[[], bool], seconds: float, complaint: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise MessageTrackingError(
                f"{complaint} within {seconds:.0f} s.", "The logs are in logs/airflow of the home."
            )
        time.sleep(POLL_SECONDS)


def _progress(api: AirflowApi, dag_id: str, run_id: str) -> str:
    instances = api.task_instances(dag_id, run_id)
    done = [instance for instance in instances if instance["state"] in {"success", "skipped"}]
    return f"{dag_id} {len(done)} of {len(instances)} tasks"


def _failure(api: AirflowApi, dag_id: str, run_id: str) -> MessageTrackingError:
    """Say which tasks of a run failed, with the end of their logs."""
    lines = [f"The run {run_id} of {dag_id} failed."]
    for instance in api.task_instances(dag_id, run_id):
        if instance["state"] == "failed":
            lines.append(f"Task {instance['task_id']}, try {instance['try_number']}; its log ends with:")
            lines += [f"    {line}" for line in api.log_lines(dag_id, run_id, instance)[-12:]]
    return MessageTrackingError("\n".join(lines), "`make up` starts Airflow again, to look at it.")
