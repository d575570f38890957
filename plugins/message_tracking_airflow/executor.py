"""An executor for one machine whose tasks begin at once."""

import importlib

from airflow.executors.local_executor import LocalExecutor

HEAVY = (
    "cosmos.airflow.task_group",
    "cosmos.operators.watcher",
    "dbt.cli.main",
    "message_tracking.validation.running",
)
"""What the tasks of a publication import. Nothing that starts threads of its own, which a fork would not have."""


class WarmLocalExecutor(LocalExecutor):
    """Airflow's LocalExecutor, which forks a process per task: what is imported before need not be in each of them.

    A publication has a task per dbt model, so the seconds of an import count by the dozen.
    """

    def start(self) -> None:
        """Import what is heavy, then start the workers."""
        for module in HEAVY:
            importlib.import_module(module)
        super().start()
