"""Building the marts with dbt."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from message_tracking.dbt_runner import DbtFolders, invoke_dbt
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
    folders = DbtFolders(settings.dbt_project, settings.home / name / "target", settings.home / "logs" / name)
    results_file = folders.target / "run_results.json"
    results_file.unlink(missing_ok=True)
    invoke_dbt(command, folders, environment, report)
    if not results_file.exists():
        raise MessageTrackingError(f"dbt {command[0]} left no results.", f"The dbt log is {folders.logs / 'dbt.log'}.")
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


def describe(result: dict[str, Any]) -> str:
    """Say in one indented line what became of a node."""
    name = str(result["unique_id"]).split(".", 2)[-1]
    message = " ".join(str(result.get("message") or "").split())
    return f"  {name}: {result['status']}: {message}"
