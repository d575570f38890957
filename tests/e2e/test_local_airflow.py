from pathlib import Path

import psutil
import pytest

from message_tracking.embedded import open_warehouse
from message_tracking.local_airflow import LocalAirflow
from message_tracking.migrating import migrate
from message_tracking.settings import PROJECT, Settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def processes_in(folder: Path) -> list[psutil.Process]:
    """Those that stand in a folder, as all of a local Airflow do."""
    return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder)]


def test_a_killed_scheduler_is_replaced_and_leaves_nothing_behind(new_home: Path) -> None:
    settings = Settings(new_home, None, PROJECT / "config" / "sources.yml")
    airflow = LocalAirflow(settings)
    migrate(open_warehouse(settings), settings)
    try:
        assert airflow.start()
        assert not airflow.start()
        scheduler = next(process for process in processes_in(airflow.folder) if "scheduler" in process.cmdline())
        scheduler.kill()
        scheduler.wait(10)
        assert not airflow.is_running()
        assert airflow.start()
        assert airflow.api().health()["scheduler"] == "healthy"
    finally:
        airflow.stop()
    assert not airflow.is_running()
    assert processes_in(airflow.folder) == []
