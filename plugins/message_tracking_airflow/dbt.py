"""The dbt project as a task group: one dbt run, in which each model is a task of the grid."""

from typing import Any

from airflow.sdk import Context
from cosmos.airflow.task_group import DbtTaskGroup
from cosmos.config import ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, LoadMode, TestBehavior

from message_tracking.dbt_manifest import fresh_manifest
from message_tracking.settings import Settings
from message_tracking_airflow.hooks import WarehouseHook

OPEN_CANDIDATE = "open_candidate"
"""The task whose result is the number of the candidate to build."""


def build_marts() -> DbtTaskGroup:
    """Build seeds and models of the open candidate; dbt's tests are left to the audit, which records their results.

    In watcher mode one task runs dbt for all models and the others watch it. If it dies, each of them builds its own
    model, so models must be safe to build twice.
    """
    settings = Settings.from_environment()
    return DbtTaskGroup(
        group_id="build_marts",
        project_config=ProjectConfig(
            dbt_project_path=settings.dbt_project,
            manifest_path=fresh_manifest(settings),
            install_dbt_deps=False,
        ),
        profile_config=ProfileConfig(
            profile_name="message_tracking",
            target_name="pipeline",
            profiles_yml_filepath=settings.dbt_project / "profiles.yml",
        ),
        execution_config=ExecutionConfig(execution_mode=ExecutionMode.WATCHER),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.NONE,
            emit_datasets=False,
        ),
        operator_args={
            "interceptors": [use_candidate_and_connection],
            # Without a triggerer, and every second: most models take less.
            "deferrable": False,
            "poke_interval": 1,
        },
    )


def use_candidate_and_connection(context: Context, operator: Any) -> None:
    """Give dbt its candidate and its login, just before it starts: neither is known while a DAG is parsed."""
    candidate_id = context["ti"].xcom_pull(task_ids=OPEN_CANDIDATE)
    operator.env = WarehouseHook().get_warehouse().dbt_environment(candidate_id)
