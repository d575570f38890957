"""Building the marts: dbt, called as a program."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from message_tracking.errors import MessageTrackingError
from message_tracking.settings import Settings
from message_tracking.warehouse import Warehouse

Report = Callable[[str], None]


def dbt_variables(candidate_id: int) -> dict[str, Any]:
    """Give the variables that every dbt command of a candidate needs."""
    return {"candidate": candidate_id}


def build(warehouse: Warehouse, settings: Settings, candidate_id: int, report: Report = print) -> None:
    """Build seeds and models of the candidate; tests are the gate's. Safe to repeat.

    Raises MessageTrackingError that names the models that failed and why.
    """
    results = run_dbt(
        warehouse,
        settings,
        ["build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"],
        candidate_id,
        report,
    )
    failures = [result for result in results if result["status"] not in {"success", "pass"}]
    if failures:
        lines = [f"  {_name(failure)}: {failure['status']}: {_message(failure)}" for failure in failures]
        raise MessageTrackingError(
            "\n".join([f"{len(failures)} of {len(results)} models were not built:", *lines]),
            f"The dbt log is {settings.home / 'logs' / 'dbt' / 'dbt.log'}.",
        )


def run_dbt(
    warehouse: Warehouse, settings: Settings, command: Sequence[str], candidate_id: int, report: Report
) -> list[dict[str, Any]]:
    """Run a dbt command and return the results it recorded, one dict per node as in run_results.json.

    Raises MessageTrackingError where dbt ended without results.
    """
    target = settings.home / "dbt" / "target"
    target.mkdir(parents=True, exist_ok=True)
    results_file = target / "run_results.json"
    results_file.unlink(missing_ok=True)
    arguments = [
        str(Path(sys.executable).with_name("dbt")),
        "--no-use-colors",
        *command,
        "--project-dir",
        str(settings.dbt_project),
        "--profiles-dir",
        str(settings.dbt_project),
        "--target-path",
        str(target),
        "--log-path",
        str(settings.home / "logs" / "dbt"),
        "--vars",
        json.dumps(dbt_variables(candidate_id)),
    ]
    tail = _stream(arguments, {**os.environ, **warehouse.dbt_environment()}, report)
    if not results_file.exists():
        raise MessageTrackingError(f"dbt {command[0]} ended without results:\n{tail}", "Nothing was published.")
    results: list[dict[str, Any]] = json.loads(results_file.read_text())["results"]
    return results


def _stream(arguments: Sequence[str], environment: dict[str, str], report: Report) -> str:
    """Run a program, pass its lines on while it runs and return the last twenty."""
    lines: list[str] = []
    with subprocess.Popen(
        arguments,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None  # noqa: S101  (a pipe was asked for)
        for line in process.stdout:
            lines.append(line.rstrip())
            report(line.rstrip())
    return "\n".join(lines[-20:])


def _name(result: dict[str, Any]) -> str:
    return str(result["unique_id"]).split(".", 2)[-1]


def _message(result: dict[str, Any]) -> str:
    return " ".join(str(result.get("message") or "").split())
