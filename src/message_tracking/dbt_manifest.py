"""The dbt project's manifest, from which the scheduler draws one task per model."""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from message_tracking.dbt_runner import DbtFolders, invoke_dbt
from message_tracking.settings import Settings

PARTS = ("dbt_project.yml", "profiles.yml", "macros", "models", "seeds", "snapshots", "tests")
"""What of the project folder a manifest is made of."""


def fresh_manifest(settings: Settings) -> Path:
    """Return the project's manifest.json, written anew with `dbt parse` where a project file is newer than it.

    Needs no database. Several processes may ask at once: one of them writes it, the others wait.
    Raises MessageTrackingError with what dbt says where the project cannot be parsed.
    """
    manifest = settings.home / "dbt" / "graph" / "manifest.json"
    if _is_fresh(manifest, settings.dbt_project):
        return manifest
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(manifest.with_suffix(".lock")):
        if not _is_fresh(manifest, settings.dbt_project):
            # In a folder beside, to be moved into place as a whole.
            parse_project(settings.dbt_project, manifest.parent / "parse").replace(manifest)
    return manifest


def _is_fresh(manifest: Path, project: Path) -> bool:
    try:
        return manifest.stat().st_mtime_ns > max(path.stat().st_mtime_ns for path in _project_files(project))
    except FileNotFoundError:
        return False


def _project_files(project: Path) -> Iterator[Path]:
    """The files and, so that a removed file is noticed too, the folders."""
    for name in PARTS:
        part = project / name
        if part.exists():
            yield part
            yield from part.rglob("*")


def parse_project(project: Path, folder: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Run `dbt parse` for the target `pipeline` and return the manifest.json that it leaves in the folder.

    `environment` holds further variables that profiles.yml reads; no database is needed.
    Raises MessageTrackingError with what dbt says where the project cannot be parsed.
    """
    invoke_dbt(["parse"], DbtFolders(project, folder, folder), environment or {}, lambda _: None)
    return folder / "manifest.json"


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Let one process after the other do something; the file's folder exists."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
