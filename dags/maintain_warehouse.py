"""Look after the warehouse, once a day.

`audit_everything` computes all figures of the live publication anew from the raw events, puts every check to all rows,
and compares: what hourly publications have added up bit by bit must equal it, row for row. It publishes nothing.

**If it is late:** nothing is stale and nothing is lost; an error in a model is found later. While it works it holds the
candidate, so a publication waits for it.

**Triage**

- `audit_everything` red with *differ from those computed anew*: an error in a model, or rows that were changed by hand.
  docs/runbooks/differing_figures.md says how to find and mend it.
- `audit_everything` red with the name of a check: the log lists each with the rows that break it, as after a
  publication that was refused: docs/runbooks/refused_candidate.md.
- `audit_everything` waiting to retry, in the end red: a publication was going on all the time; the log says whose.

**By hand:** `message-tracking recompute --dry-run` does the same in a shell.
"""

from airflow.sdk import dag

from message_tracking_airflow.defaults import DEFAULT_ARGS, TAGS
from message_tracking_airflow.tasks import audit_everything


@dag(
    schedule="30 3 * * *",  # UTC; between two hourly loads
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "maintain"],
    doc_md=__doc__,
)
def maintain_warehouse() -> None:
    """Declare the tasks."""
    audit_everything()


maintain_warehouse()
