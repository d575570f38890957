"""Load the reference data of every source: deliveries, messages, tracked URLs, recipients and message bodies.

Of rows that arrive again, the one with the newest `modified_at` counts. Where a row is new or newer, the asset
`delivery_data` makes `publish_tracking_marts` run; where not, the load task is skipped.

**If it is late:** events of deliveries that no row describes yet are loaded and kept; they join up by themselves when
the rows arrive.

**Triage**

- `load_delivery_data` red: the source's folder or the warehouse cannot be reached; the log's last lines say which.
- `report_refused_files` red: the files it names lack a column, hold values that are no numbers or times, or cannot be
  read. Nothing of them counts, the other files were loaded. Have them repaired; the next run reads them again.
- `load_delivery_data` skipped: no export file and no message body has changed.

**By hand:** `message-tracking load` does the same in a shell.
"""

from airflow.sdk import chain, dag

from message_tracking_airflow.alerts import late_run_alert
from message_tracking_airflow.assets import DELIVERY_DATA
from message_tracking_airflow.defaults import DEFAULT_ARGS, TAGS
from message_tracking_airflow.tasks import list_sources, load_delivery_data, report_refused_files


@dag(
    schedule="@hourly",  # at minute 0 of every hour, UTC
    catchup=False,
    max_active_runs=1,
    deadline=late_run_alert(),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "ingest"],
    doc_md=__doc__,
)
def ingest_delivery_data() -> None:
    """Declare the tasks."""
    load = load_delivery_data.override(outlets=[DELIVERY_DATA]).expand_kwargs(list_sources())
    chain(load, report_refused_files("load_delivery_data"))


ingest_delivery_data()
