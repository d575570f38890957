"""What Airflow itself makes of dags/ and plugins/, found out in a fresh process with an empty home."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from message_tracking.settings import PROJECT

Inspect = Callable[..., dict[str, Any]]

FEWEST_DAGS = 3

DESCRIBE_DAGS = """
import json
import sys

from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])


def described(dag):
    return {
        "file": dag.fileloc,
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "tasks": {
            task.task_id: {
                "owner": task.owner,
                "retries": task.retries,
                "retry_delay": task.retry_delay.total_seconds(),
                "upstream": sorted(task.upstream_task_ids),
                "outlets": [asset.name for asset in task.outlets],
                "is_mapped": task.is_mapped,
                "trigger_rule": task.trigger_rule.value,
                "is_teardown": task.is_teardown,
                "deferrable": getattr(task, "deferrable", False),
            }
            for task in dag.tasks
        },
    }


def consumed(dag):
    condition = getattr(dag.timetable, "asset_condition", None)
    return sorted(asset.name for asset in getattr(condition, "objects", ()))


print("\\n" + json.dumps({
    "errors": bag.import_errors,
    "dags": {dag_id: described(dag) for dag_id, dag in bag.dags.items()},
    "consumed": {dag_id: consumed(dag) for dag_id, dag in bag.dags.items()},
    "heavy": sorted({"great_expectations", "polars"} & set(sys.modules)),
}))
"""


@pytest.fixture(scope="session")
def inspect(tmp_path_factory: pytest.TempPathFactory) -> Inspect:
    """Run a script in a process of its own that prints JSON as its last line.

    It gets the folder dags/ as argument, and environment variables beside those of an Airflow with an empty home.
    """
    home = tmp_path_factory.mktemp("home")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")} | {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        "MESSAGE_TRACKING_HOME": str(home),
    }

    def run(script: str, **variables: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", script, str(PROJECT / "dags")],
            env=environment | variables,
            capture_output=True,
            text=True,
            check=False,
            cwd=home,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return dict(json.loads(done.stdout.splitlines()[-1]))

    return run


@pytest.fixture(scope="session")
def parsed(inspect: Inspect) -> dict[str, Any]:
    """All DAGs: `errors`, `dags` and `consumed` by dag_id, `heavy` modules that parsing has imported."""
    return inspect(DESCRIBE_DAGS)


@pytest.fixture(scope="session")
def dags(parsed: dict[str, Any]) -> dict[str, Any]:
    """The DAGs by dag_id: never an empty set, over which every rule would hold."""
    assert len(parsed["dags"]) >= FEWEST_DAGS, parsed["errors"]
    return dict(parsed["dags"])


@pytest.fixture(scope="session")
def models() -> list[str]:
    """The names of the dbt models."""
    return [path.stem for path in Path(PROJECT / "dbt_project" / "models").rglob("*.sql")]
