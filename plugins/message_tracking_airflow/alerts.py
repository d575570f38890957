"""Who is told what when a task fails or a run is late.

Airflow's own notifiers tell it, those that the Airflow Variable `message_tracking_alerts` names: a JSON list of
objects, each with `notifier`, the import path of a notifier, and its arguments (docs/cookbooks/be_told.md). Without it
nobody is told, and the log has the alert.
"""

import html
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from textwrap import shorten
from typing import Any

from airflow.sdk import BaseNotifier, Context, DeadlineAlert, DeadlineReference, SyncCallback, Variable
from airflow.sdk.log import redact
from airflow.sdk.module_loading import import_string

from message_tracking.errors import ConfigurationError, MessageTrackingError
from message_tracking.waiting_loads import unpublished_since
from message_tracking_airflow.hooks import WarehouseHook

log = logging.getLogger(__name__)

VARIABLE = "message_tracking_alerts"
LATE_MINUTES = "MESSAGE_TRACKING_LATE_MINUTES"
"""Environment variable: how long after it was queued a run is late. Read when a DAG is parsed."""
RUNBOOKS_URL = "MESSAGE_TRACKING_RUNBOOKS"
"""Environment variable: the address below which the runbooks can be read; by default their folder in the project."""

PUBLISH = "publish_tracking_marts"
LATE = "late_publication"

ADVICE = {
    "differing_figures": "Readers see what they saw before. Find out which relation differs and since when.",
    "failed_task": "Nothing is lost. Read the end of the task's log, mend the cause, clear the task.",
    LATE: "Readers see the last good publication, nothing is lost. Find what holds the run up.",
    "refused_candidate": "Readers see the last good publication. The data is bad: mend the input before the next run.",
    "rejected_lines": "Everything else was loaded. Have the named files repaired: the next run reads them again.",
    "source_down": "What the source holds is read once it is back. See whether the machine answers and lets us in.",
}
"""What to do first, by runbook."""

RUNBOOKS = {
    "audit_everything": "differing_figures",
    "audit_marts": "refused_candidate",
    "check_health": "source_down",
    "list_servers": "source_down",
    "list_sources": "source_down",
    "load_delivery_data": "source_down",
    "load_tracking_logs": "source_down",
    "report_refused_files": "rejected_lines",
}
"""The runbook of a task that failed; of any other it is `failed_task`."""

TEXTS = {
    "subject": "{{ alert.subject }}",
    "summary": "{{ alert.subject }}",
    "text": "{{ alert.text }}",
    "message": "{{ alert.text }}",
    "html_content": "{{ alert.html }}",
}
"""What notifiers call their text; those that take one of these names get it without being configured."""


@dataclass(frozen=True)
class Alert:
    """What happened in one run. Templates of a notifier's arguments see it as `alert`, and nothing else."""

    dag_id: str
    run_id: str
    task: str
    """The task with what it was mapped over; empty where the alert is about the whole run."""
    subject: str
    happened: str
    runbook: str
    log_url: str = ""

    @property
    def lines(self) -> dict[str, str]:
        """The alert's parts by their names."""
        named = {
            "DAG": self.dag_id,
            "Task": self.task,
            "Run": self.run_id,
            "What happened": self.happened,
            "What to do": ADVICE[self.runbook],
            "Runbook": runbook_address(self.runbook),
            "Log": self.log_url,
        }
        return {name: line for name, line in named.items() if line}

    @property
    def text(self) -> str:
        """The whole alert as plain text."""
        return "\n".join([self.subject, *(f"{name}: {line}" for name, line in self.lines.items())])

    @property
    def html(self) -> str:
        """The whole alert as HTML; addresses are links."""
        rows = (f"<dt>{name}</dt><dd>{_linked(line)}</dd>" for name, line in self.lines.items())
        return f"<p>{html.escape(self.subject)}</p>\n<dl>\n" + "\n".join(rows) + "\n</dl>"


def tell_of_failure(context: Context) -> None:
    """Tell that a task has failed for good: each task's `on_failure_callback`."""
    ti = context["ti"]
    mapped_over = getattr(ti, "rendered_map_index", None)
    task = _in_one_line(f"{ti.task_id} [{mapped_over}]" if mapped_over else ti.task_id)
    send(
        Alert(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task=task,
            subject=f"{ti.dag_id}: {task} failed",
            happened=_in_one_line(context.get("exception") or "Its process ended without a word: it was killed."),
            runbook=RUNBOOKS.get(ti.task_id, "failed_task"),
            log_url=getattr(ti, "log_url", None) or "",
        )
    )


def late_run_alert() -> DeadlineAlert:
    """Tell when a run has not succeeded in time.

    An executor calls back, where a triggerer would have to: the local Airflow has none. Raises ConfigurationError where
    `MESSAGE_TRACKING_LATE_MINUTES` is no number.
    """
    minutes = os.environ.get(LATE_MINUTES) or "60"
    try:
        interval = timedelta(minutes=float(minutes))
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{LATE_MINUTES} is {minutes!r}.", "It must be the minutes after which a run is late, for example 60."
        ) from error
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, interval, SyncCallback(tell_of_lateness))


def tell_of_lateness(context: Mapping[str, Any]) -> None:
    """Tell that a run is late; of a publication only where readers still lack something.

    The run's successor may have published it meanwhile.
    """
    run = context["dag_run"]
    happened = f"The run was queued at {run['queued_at']} and is {run['state']}."
    if run["dag_id"] == PUBLISH:
        missing = _what_readers_lack()
        if not missing:
            log.info("%s is late, but readers have everything that was loaded: nobody is told.", run["dag_run_id"])
            return
        happened = f"{happened} {missing}"
    send(
        Alert(
            dag_id=run["dag_id"],
            run_id=run["dag_run_id"],
            task="",
            subject=f"{run['dag_id']} is late",
            happened=_in_one_line(happened),
            runbook=LATE,
        )
    )


def send(alert: Alert) -> None:
    """Let every configured notifier tell it, whichever of them fail.

    Raises ConfigurationError where the configuration cannot be read, MessageTrackingError where a notifier failed.
    """
    notifiers = configured_notifiers()
    if not notifiers:
        log.warning("The Airflow Variable %s names no notifier, so nobody is told:\n%s", VARIABLE, alert.text)
    failed = []
    for notifier in notifiers:
        try:
            notifier({"alert": alert})
        except Exception:
            # The others' channels may be well.
            log.exception("%s failed", type(notifier).__name__)
            failed.append(type(notifier).__name__)
    if failed:
        raise MessageTrackingError(
            f"{', '.join(failed)} could not tell this: {alert.text}", "docs/cookbooks/be_told.md says how to set it up."
        )


def configured_notifiers() -> list[BaseNotifier]:
    """Make the notifiers that the Airflow Variable names.

    Raises ConfigurationError where it is not what it should be, naming the entry.
    """
    hint = f"The Airflow Variable {VARIABLE} is a list as in docs/cookbooks/be_told.md."
    # Read as it is: of what is no JSON, Airflow says only that there is no such variable.
    configured = Variable.get(VARIABLE, default="[]")
    try:
        entries = json.loads(configured)
    except ValueError as error:
        raise ConfigurationError(f"{VARIABLE} is no JSON: {error}", hint) from error
    if not isinstance(entries, list):
        raise ConfigurationError(f"{VARIABLE} is no list.", hint)
    notifiers = []
    for number, entry in enumerate(entries, start=1):
        try:
            notifiers.append(_notifier(**entry))
        except (AttributeError, ImportError, TypeError, ValueError) as error:
            raise ConfigurationError(f"Notifier {number} of {VARIABLE} cannot be made: {error}", hint) from error
    return notifiers


def runbook_address(runbook: str) -> str:
    """Where a runbook is to be read."""
    return f"{(os.environ.get(RUNBOOKS_URL) or 'docs/runbooks').rstrip('/')}/{runbook}.md"


def _notifier(notifier: str, **arguments: Any) -> BaseNotifier:
    found = import_string(notifier)
    if not (isinstance(found, type) and issubclass(found, BaseNotifier)):
        raise TypeError(f"{notifier} is no notifier")
    texts = {name: text for name, text in TEXTS.items() if name in found.template_fields}
    return found(**{**texts, **arguments})


def _what_readers_lack() -> str:
    try:
        since = unpublished_since(WarehouseHook().get_warehouse())
    except MessageTrackingError as error:
        return f"The warehouse does not answer: {error}"
    return f"What was loaded since {since:%Y-%m-%d %H:%M} UTC is not published." if since else ""


def _in_one_line(what: object) -> str:
    """One line without the secrets that this process knows of."""
    return shorten(str(redact(str(what))), 400, placeholder=" …")


def _linked(line: str) -> str:
    escaped = html.escape(line)
    return f'<a href="{escaped}">{escaped}</a>' if line.startswith(("http://", "https://")) else escaped
