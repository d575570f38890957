"""Where everything is: the environment variables of the product and their defaults."""

import os
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(os.environ.get("MESSAGE_TRACKING_PROJECT", Path(__file__).parents[2]))


@dataclass(frozen=True)
class Settings:
    """The folders and addresses that one warehouse uses. Two homes are two independent warehouses."""

    home: Path
    """Everything that is not code: embedded server, landing folder, Airflow home, Data Docs, logs."""
    warehouse_url: str | None
    """URL of an own Postgres, or None for the embedded server."""
    sources_file: Path
    project: Path = PROJECT
    """The folder with migrations/, dbt_project/ and expectations/: the clone, or its copy in an image."""

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the MESSAGE_TRACKING_* variables."""
        home = Path(os.environ.get("MESSAGE_TRACKING_HOME") or PROJECT / ".message-tracking").absolute()
        sources_file = Path(os.environ.get("MESSAGE_TRACKING_SOURCES") or PROJECT / "config" / "sources.yml").absolute()
        return cls(home, os.environ.get("MESSAGE_TRACKING_WAREHOUSE") or None, sources_file)

    @property
    def migrations(self) -> Path:
        """Numbered SQL files."""
        return self.project / "migrations"

    @property
    def dbt_project(self) -> Path:
        """The dbt project folder."""
        return self.project / "dbt_project"

    @property
    def expectations(self) -> Path:
        """One suite file per audited relation."""
        return self.project / "expectations"

    @property
    def data_docs(self) -> Path:
        """Where Great Expectations writes its pages."""
        return self.home / "data_docs"
