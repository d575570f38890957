"""Build, audit and publish the marts.

Readers keep the last good publication until every critical check passes; then all marts switch at once.

**If it is late:** the marts are stale, not wrong. Nothing is lost: the next run takes in whatever was loaded since the
live publication.

**Triage**

- `audit_marts` red means bad data, not a broken pipeline: its log names the check, the relation and the keys of the
  rows that break it; all keys are in `ops.failing_keys`. The candidate was refused and undone. Read
  docs/runbooks/refused_candidate.md before running it again: a retry judges the same data the same way.
- A model in `build_marts` red: the log of `build_marts.dbt_producer_watcher` has dbt's own message. A skipped producer
  means that it had died and each model was built by its own task.
- `open_candidate` waiting to retry, in the end red: somebody else's build is going on; the log says whose and since
  when.
- `open_candidate` skipped: nothing new since the live publication.

To run it again, clear the whole run: its candidate was given back by `release_candidate`, so a single task has nothing
to go on with. **By hand:** `message-tracking run` does the same in a shell, `message-tracking rollback` shows the
publication before.
"""

from airflow.sdk import chain, dag

from message_tracking_airflow.alerts import late_run_alert
from message_tracking_airflow.assets import DELIVERY_DATA, PUBLISHED_MARTS, RAW_EVENTS
from message_tracking_airflow.dbt import build_marts
from message_tracking_airflow.defaults import DEFAULT_ARGS, TAGS
from message_tracking_airflow.tasks import audit_marts, open_candidate, publish_marts, release_candidate


@dag(
    schedule=RAW_EVENTS | DELIVERY_DATA,  # whenever an ingest has accepted something new
    catchup=False,
    max_active_runs=1,
    deadline=late_run_alert(),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "publish"],
    doc_md=__doc__,
)
def publish_tracking_marts() -> None:
    """Declare the tasks."""
    candidate = open_candidate()
    publish = publish_marts.override(outlets=[PUBLISHED_MARTS])(candidate)
    chain(candidate, build_marts(), audit_marts(candidate), publish)
    chain(publish, release_candidate(candidate).as_teardown(setups=candidate))


publish_tracking_marts()
