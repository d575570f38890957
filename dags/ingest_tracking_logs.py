"""Load the tracking logs of every source, one task per tracking server.

Each event is loaded exactly once, so a run can be repeated, cleared or missed without harm: the next one reads on where
the ledger (`ops.file_ledger`) ends. Where something new was accepted, the asset `raw_events` makes
`publish_tracking_marts` run; where not, the load task is skipped.

**If it is late:** the marts are stale by as much, nothing else. `message-tracking status` shows how far each server was
read, `marts.source_freshness` tells the readers.

**Triage**

- `load_tracking_logs` red: the server's folder or the warehouse cannot be reached; the log's last lines say which.
  The other servers are not held up. Clear the task when it is repaired, or leave it to the next hour.
- `report_refused_files` red: the pipeline works, but the files it names hold more rejected lines than the source's
  `reject_limit` allows, or cannot be read. Nothing of them counts yet. `ops.file_ledger.sample_rejects` shows rejected
  lines with their reasons. Repaired files are read by the next run.
- `report_refused_files` red with *were unread when the load began*: all was loaded this time, but the server deletes
  logs before they are read unless loads come more often.
- `check_health` red: a tracking server's redirection does not answer, so links fail and nothing is tracked. Loads go
  on.
- `load_tracking_logs` skipped: nothing new on that server.

**By hand:** `message-tracking load` does the same in a shell.
"""

from airflow.sdk import chain, dag

from message_tracking_airflow.alerts import late_run_alert
from message_tracking_airflow.assets import RAW_EVENTS
from message_tracking_airflow.defaults import DEFAULT_ARGS, TAGS
from message_tracking_airflow.tasks import check_health, list_servers, load_tracking_logs, report_refused_files


@dag(
    schedule="@hourly",  # at minute 0 of every hour, UTC
    catchup=False,
    max_active_runs=1,
    deadline=late_run_alert(),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "ingest"],
    doc_md=__doc__,
)
def ingest_tracking_logs() -> None:
    """Declare the tasks."""
    load = load_tracking_logs.override(outlets=[RAW_EVENTS]).expand_kwargs(list_servers())
    chain(load, report_refused_files("load_tracking_logs"))
    check_health()


ingest_tracking_logs()
