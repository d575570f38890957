"""What Airflow, Celery's executor and Cosmos themselves make of the environment and commands of docker-compose.yml."""

import json
import re
from typing import Any

import pytest
import yaml

from message_tracking.settings import PROJECT

COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
ENVIRONMENT = {
    name: re.sub(r"\$\{\w+:\?[^}]*\}", "secret", re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
    for name, value in COMPOSE["x-airflow-environment"].items()
}
PROGRAMS = [
    " ".join(words)
    for service in COMPOSE["services"].values()
    for words in (service["command"], service.get("healthcheck", {"test": []})["test"])
]
COMMANDS = [match[1].split() for program in PROGRAMS for match in re.finditer(r"\bairflow ((?:(?! &&).)+)", program)]

ASK = """
import json
import os

os.environ.update(json.loads({environment!r}))

from airflow.cli.cli_parser import get_parser
from airflow.configuration import retrieve_configuration_description
from airflow.executors.executor_loader import ExecutorLoader
from airflow.providers.celery.executors.celery_executor import app
from cosmos import settings

options = {{
    section: list(content["options"])
    for section, content in retrieve_configuration_description(include_providers=True).items()
}}
options["cosmos"] += vars(settings)
executor, _ = ExecutorLoader.import_default_executor_cls()
refused = []
for command in json.loads({commands!r}):
    try:
        get_parser().parse_args(command)
    except SystemExit:
        refused.append(command)
print("\\n" + json.dumps({{
    "options": options,
    "executor": executor.__name__,
    "broker": app.conf.broker_url,
    "backend": app.conf.result_backend,
    "telemetry": settings.enable_telemetry,
    "refused": refused,
}}))
"""


@pytest.fixture(scope="module")
def answers(inspect: Any) -> dict[str, Any]:
    misspelt = [*COMMANDS, ["celery", "workers"]]
    return dict(inspect(ASK.format(environment=json.dumps(ENVIRONMENT), commands=json.dumps(misspelt))))


def unknown_options(environment: dict[str, str], options: dict[str, list[str]]) -> list[str]:
    settings = [name.split("__") for name in environment if name.startswith("AIRFLOW__")]
    return ["__".join(name) for name in settings if name[2].lower() not in options.get(name[1].lower(), ())]


def test_every_option_is_known(answers: dict[str, Any]) -> None:
    assert len([name for name in ENVIRONMENT if name.startswith("AIRFLOW__")]) > 15
    assert unknown_options(ENVIRONMENT, answers["options"]) == []
    misspelt = {"AIRFLOW__CORE__EXECUTORS": "", "AIRFLOW__WEBSERVER__BASE_URL": "", "AIRFLOW__CELERY__BROKER": ""}
    assert unknown_options(misspelt, answers["options"]) == list(misspelt)


def test_every_command_is_known(answers: dict[str, Any]) -> None:
    assert len(COMMANDS) == 8
    assert answers["refused"] == [["celery", "workers"]]


def test_celery_gets_its_tasks_from_redis_and_leaves_results_in_postgres(answers: dict[str, Any]) -> None:
    assert answers["executor"] == "CeleryExecutor"
    assert answers["broker"] == "redis://:secret@redis:6379/0"
    assert answers["backend"] == "db+postgresql+psycopg2://airflow:secret@postgres:5432/airflow"
    assert answers["telemetry"] is False
