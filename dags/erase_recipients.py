"""Erase persons everywhere, on demand: raw events, reference data, rejected lines, every kept version of the marts, and
the files that are the warehouse's own.

Figures stay as they are, and rolling back brings nobody back. What comes in of these persons later is turned away and
counted as erased. The receipt is a row of `ops.erasures`; docs/runbooks/erasure.md says what else there is to do.

Recipients are named by their numbers only: what is typed here stays in Airflow's database. `listed` erases all whom
exports named `erasures` ask for. Without either it erases what has come in of persons who were erased before.

**If it is late:** a legal term may pass. Nothing else waits for it; while it works, loads wait with their last step.

**Triage**

- `erase_recipients` waiting to retry: a publication is going on; the log says whose.
- `erase_recipients` red: the log's last lines say why. Nothing in the warehouse was changed, and files only of persons
  that it was asked for: clear the task when it is repaired.
- The log lists *Left* lines: these persons may be found there too, where the warehouse cannot reach.

**By hand:** `message-tracking erase --recipient ID`.
"""

from airflow.sdk import Param, dag

from message_tracking_airflow.defaults import DEFAULT_ARGS, TAGS
from message_tracking_airflow.tasks import erase_recipients as erase


@dag(
    schedule=None,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params={
        "recipient_ids": Param(
            [], type="array", items={"type": "integer"}, title="Recipients", description="Whom to erase: recipient_id."
        ),
        "listed": Param(default=False, type="boolean", title="All whom exports named `erasures` ask for"),
        "dry_run": Param(default=False, type="boolean", title="Only say what of them is in the warehouse"),
    },
    tags=[*TAGS, "maintain"],
    doc_md=__doc__,
)
def erase_recipients() -> None:
    """Declare the tasks."""
    erase()


erase_recipients()
