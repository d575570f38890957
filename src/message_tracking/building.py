"""Building the marts: dbt, called as a program."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from message_tracking.errors import MessageTrackingError
from message_tracking.settings import Settings
from message_tracking.warehouse import Warehouse

Report = Callable[[str], None]


def project_digest(settings: Settings) -> str:
    """SHA-256 in hex of everything in the dbt project that figures depend on: models, macros, seeds, variables.

    Descriptions and tests are left out: another wording changes no figure.
    """
    project = settings.dbt_project
    files = [project / "dbt_project.yml", *project.rglob("models/**/*.sql"), *project.rglob("macros/**/*.sql")]
    digest = hashlib.sha256()
    for file in sorted([*files, *project.rglob("seeds/**/*.csv")]):
        digest.update(str(file.relative_to(project)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


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
    failures = [result for result in results if result["status"] != "success"]
    failures += [
        {"unique_id": node, "status": "missing", "message": "dbt recorded no result"}
        for node in nodes_without_result(settings, results, {"model", "seed"})
    ]
    if failures:
        lines = [describe(failure) for failure in failures]
        raise MessageTrackingError(
            "\n".join([f"{len(failures)} of {len(results)} models were not built:", *lines]),
            f"The dbt log is {settings.home / 'logs' / 'dbt' / 'dbt.log'}.",
        )


def nodes_without_result(settings: Settings, results: list[dict[str, Any]], kinds: set[str]) -> list[str]:
    """Name the project's nodes of these kinds that a dbt run has not recorded, as when it was interrupted."""
    nodes = read_manifest(settings)["nodes"]
    recorded = {result["unique_id"] for result in results}
    return sorted(name for name, node in nodes.items() if node["resource_type"] in kinds and name not in recorded)


def read_manifest(settings: Settings) -> dict[str, Any]:
    """Read what the last dbt run knew of the project."""
    manifest: dict[str, Any] = json.loads((settings.home / "dbt" / "target" / "manifest.json").read_text())
    return manifest


def run_dbt(
    warehouse: Warehouse, settings: Settings, command: Sequence[str], candidate_id: int, report: Report
) -> list[dict[str, Any]]:
    """Run a dbt command for a candidate and return the results it recorded, as `call_dbt` does."""
    return call_dbt(settings, "dbt", command, warehouse.dbt_environment(candidate_id), report)


def call_dbt(
    settings: Settings, name: str, command: Sequence[str], environment: Mapping[str, str], report: Report
) -> list[dict[str, Any]]:
    """Run a dbt command and return the results it recorded, one dict per node as in run_results.json.

    dbt's own files go to the home's folders `<name>/target` and `logs/<name>`; `environment` is for profiles.yml.
    Raises MessageTrackingError where dbt ended without results.
    """
    target = settings.home / name / "target"
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
        str(settings.home / "logs" / name),
    ]
    exit_code, tail = _stream(arguments, {**os.environ, **environment}, report)
    # 0: all is well, 1: some node failed, which its result says; anything else: dbt itself did not come to its end.
    if exit_code not in {0, 1} or not results_file.exists():
        raise MessageTrackingError(
            f"dbt {command[0]} did not come to its end (exit code {exit_code}):\n{tail}", "Nothing was published."
        )
    results: list[dict[str, Any]] = json.loads(results_file.read_text())["results"]
    return results


def document(warehouse: Warehouse, settings: Settings, report: Report) -> Path:
    """Write dbt's documentation of models and columns, as the warehouse holds them now, into one page; return it.

    Only reads the warehouse, and needs no candidate. Raises MessageTrackingError where dbt fails.
    """
    name = "dbt-docs"
    results = call_dbt(settings, name, ["docs", "generate", "--static"], warehouse.dbt_environment(), report)
    failures = [describe(result) for result in results if result["status"] != "success"]
    if failures:
        raise MessageTrackingError(
            "\n".join([f"{len(failures)} of {len(results)} models cannot be described:", *failures]),
            f"The dbt log is {settings.home / 'logs' / name / 'dbt.log'}.",
        )
    return settings.home / name / "target" / "static_index.html"


def _stream(arguments: Sequence[str], environment: dict[str, str], report: Report) -> tuple[int, str]:
    """Run a program, pass its lines on while it runs; return its exit code and its last twenty lines."""
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
    return process.returncode, "\n".join(lines[-20:])


def describe(result: dict[str, Any]) -> str:
    """Say in one indented line what became of a node."""
    name = str(result["unique_id"]).split(".", 2)[-1]
    message = " ".join(str(result.get("message") or "").split())
    return f"  {name}: {result['status']}: {message}"
