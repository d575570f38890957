"""docker-compose.yml and docker/Dockerfile say what they must, and each rule is seen red on a poisoned copy.

`make lint` checks the compose file by its schema and the Dockerfile with hadolint; here are this project's own rules.
"""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from message_tracking.embedded import packaged_programs
from message_tracking.settings import PROJECT

Compose = dict[str, Any]

TEXT = (PROJECT / "docker-compose.yml").read_text()
COMPOSE: Compose = yaml.safe_load(TEXT)
DOCKERFILE = (PROJECT / "docker" / "Dockerfile").read_text()

COMMANDS = {
    "postgres": "postgres -c",
    "redis": "redis-server -",
    "init": "airflow db migrate && message-tracking migrate",
    "api-server": "exec airflow api-server",
    "scheduler": "airflow scheduler",
    "dag-processor": "airflow dag-processor",
    "triggerer": "airflow triggerer",
    "worker": "airflow celery worker",
}
AIRFLOW = ("init", "api-server", "scheduler", "dag-processor", "triggerer", "worker")
SECRET = re.compile(r"PASSWORD$|SECRET|FERNET|_KEY$")


def services_and_commands(compose: Compose) -> Iterator[str]:
    if compose["services"].keys() != COMMANDS.keys():
        yield f"services are {sorted(compose['services'])}"
    for name, service in compose["services"].items():
        if COMMANDS.get(name, "") not in " ".join(service["command"]):
            yield f"{name} runs {service['command']}"


def one_airflow_environment(compose: Compose) -> Iterator[str]:
    shared = compose["x-airflow-environment"].items()
    for name in AIRFLOW:
        if not shared <= compose["services"][name]["environment"].items():
            yield f"{name} has an environment of its own"


def pinned_images(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        if not re.fullmatch(r"[a-z-]+:\d+\.\d+(\.\d+)?(-bookworm)?", service["image"]):
            yield f"{name} has the image {service['image']}"


def least_rights(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        if service.get("privileged") or service.get("cap_add") or service["cap_drop"] != ["ALL"]:
            yield f"{name} has capabilities"
        if str(service.get("user", "root")).split(":")[0] in {"root", "0"}:
            yield f"{name} runs as root"
        if service["security_opt"] != ["no-new-privileges:true"] or not service["read_only"]:
            yield f"{name} may gain rights or write into its image"
        if any(service.get(key) == "host" for key in ("network_mode", "pid", "ipc")):
            yield f"{name} shares the host's namespaces"
        if "docker.sock" in str(service.get("volumes", "")):
            yield f"{name} steers the Docker engine"
        if not service["deploy"]["resources"]["limits"].keys() >= {"memory", "pids"}:
            yield f"{name} has no limits"


def ports_on_loopback(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        for port in service.get("ports", []):
            if not str(port).startswith("127.0.0.1:"):
                yield f"{name} publishes {port}"


def health(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        if name != "init" and not service.get("healthcheck", {}).get("test"):
            yield f"{name} has no healthcheck"
        if service["restart"] != ("no" if name == "init" else "unless-stopped"):
            yield f"{name} is restarted {service['restart']}"


def dependencies(compose: Compose) -> Iterator[str]:
    services = compose["services"]
    graph = {name: service.get("depends_on", {}) for name, service in services.items()}
    for name, needed in graph.items():
        for other, how in needed.items():
            if other not in services:
                yield f"{name} waits for {other}, which is no service"
            elif how["condition"] != ("service_completed_successfully" if other == "init" else "service_healthy"):
                yield f"{name} does not wait until {other} is ready"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"services wait for each other: {error.args[1]}"


def volumes(compose: Compose) -> Iterator[str]:
    used = {
        source
        for service in compose["services"].values()
        for source, _, _ in (mount.partition(":") for mount in service.get("volumes", []))
    }
    folders = {source for source in used if source.startswith("./")}
    if used - folders != compose["volumes"].keys():
        yield f"declared are {sorted(compose['volumes'])}, used {sorted(used - folders)}"
    yield from (f"{folder} does not exist" for folder in folders if not (PROJECT / folder).exists())


def workers_scale(compose: Compose) -> Iterator[str]:
    worker = compose["services"]["worker"]
    yield from (f"the worker has {key}" for key in ("container_name", "ports", "hostname") if key in worker)


def secrets_from_outside(compose: Compose) -> Iterator[str]:
    for name, service in compose["services"].items():
        for key, value in service.get("environment", {}).items():
            if SECRET.search(key) and not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value):
                yield f"{name} has {key} in the file"
            if re.search(r"://\w*:(?!\$\{\w+:\?)", value):
                yield f"{name} has a password in {key}"


def variables_are_documented(compose: Compose) -> Iterator[str]:
    documented = set(re.findall(r"^#?([A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE))
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", str(compose["services"])))
    if used != documented:
        yield f"documented but not used, or used but not documented: {sorted(used ^ documented)}"


def set_in(service: str, key: str, value: Any) -> Callable[[Compose], None]:
    return lambda compose: compose["services"][service].__setitem__(key, value)


def set_environment(service: str, key: str, value: str) -> Callable[[Compose], None]:
    return lambda compose: compose["services"][service]["environment"].__setitem__(key, value)


POISON = [
    (services_and_commands, lambda compose: compose["services"].pop("triggerer")),
    (services_and_commands, set_in("worker", "command", ["airflow", "standalone"])),
    (one_airflow_environment, set_environment("api-server", "AIRFLOW__CORE__EXECUTOR", "LocalExecutor")),
    (pinned_images, set_in("redis", "image", "redis:latest")),
    (pinned_images, set_in("redis", "image", "redis")),
    (pinned_images, set_in("redis", "image", "registry.example/redis:8.2.2")),
    (least_rights, set_in("worker", "privileged", True)),
    (least_rights, set_in("worker", "user", "0:0")),
    (least_rights, lambda compose: compose["services"]["postgres"].pop("user")),
    (least_rights, set_in("worker", "cap_drop", [])),
    (least_rights, set_in("worker", "cap_add", ["SYS_ADMIN"])),
    (least_rights, set_in("worker", "security_opt", [])),
    (least_rights, set_in("worker", "read_only", False)),
    (least_rights, set_in("worker", "network_mode", "host")),
    (least_rights, set_in("worker", "volumes", ["/var/run/docker.sock:/var/run/docker.sock"])),
    (least_rights, set_in("worker", "deploy", {"resources": {"limits": {"pids": 1}}})),
    (ports_on_loopback, set_in("postgres", "ports", ["5432:5432"])),
    (ports_on_loopback, set_in("postgres", "ports", [5432])),
    (health, lambda compose: compose["services"]["scheduler"].pop("healthcheck")),
    (health, set_in("scheduler", "restart", "no")),
    (dependencies, set_in("worker", "depends_on", {"rabbitmq": {"condition": "service_healthy"}})),
    (dependencies, set_in("worker", "depends_on", {"postgres": {"condition": "service_started"}})),
    (dependencies, set_in("postgres", "depends_on", {"init": {"condition": "service_completed_successfully"}})),
    (volumes, lambda compose: compose["volumes"].pop("landing")),
    (volumes, set_in("redis", "volumes", ["./nowhere:/data"])),
    (workers_scale, set_in("worker", "container_name", "worker")),
    (workers_scale, set_in("worker", "ports", ["127.0.0.1:8793:8793"])),
    (secrets_from_outside, set_environment("postgres", "POSTGRES_PASSWORD", "postgres")),
    (secrets_from_outside, set_environment("postgres", "POSTGRES_PASSWORD", "${POSTGRES_PASSWORD:-postgres}")),
    (secrets_from_outside, set_environment("worker", "AIRFLOW__CELERY__BROKER_URL", "redis://:redis@redis:6379/0")),
    (variables_are_documented, set_environment("worker", "ANOTHER", "${ANOTHER}")),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, _ in POISON))
def test_the_compose_file_keeps_the_rule(rule):
    assert list(rule(COMPOSE)) == []


@pytest.mark.parametrize(("rule", "poison"), POISON)
def test_a_poisoned_compose_file_breaks_the_rule(rule, poison):
    poisoned = deepcopy(COMPOSE)
    poison(poisoned)
    assert list(rule(poisoned))


def test_the_warehouse_is_the_same_postgres_as_the_embedded_one():
    said = subprocess.run([packaged_programs() / "postgres", "--version"], capture_output=True, text=True, check=True)
    assert COMPOSE["services"]["postgres"]["image"].split(":")[1].split("-")[0] == said.stdout.split()[-1]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Every instruction with its arguments, in order."""
    lines = re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line)]


def is_ignored(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore keeps a path, or a folder that it is in, from the builder; the last pattern decides."""
    ignored = False
    places = [PurePosixPath(path), *PurePosixPath(path).parents][:-1]
    for pattern in patterns:
        wanted = PurePosixPath(pattern.removeprefix("!"))
        anywhere = wanted.parts[0] == "**"
        if any(place.match(str(wanted)) and (anywhere or len(place.parts) == len(wanted.parts)) for place in places):
            ignored = not pattern.startswith("!")
    return ignored


def copied_files(dockerfile: str, ignore: str) -> Iterator[str]:
    patterns = [line for line in ignore.splitlines() if line and not line.startswith("#")]
    for name, rest in instructions(dockerfile):
        if name == "COPY" and not rest.startswith("--from="):
            for source in shlex.split(rest)[:-1]:
                if not (PROJECT / source).exists():
                    yield f"{source} does not exist"
                elif is_ignored(source, patterns):
                    yield f"{source} is not sent to the builder"


def locked_and_local(dockerfile: str, _ignore: str) -> Iterator[str]:
    bases = [rest for name, rest in instructions(dockerfile) if name == "FROM"]
    for base in bases:
        if not re.fullmatch(r"python:3\.11\.\d+-slim-bookworm( AS \w+)?", base):
            yield f"starts from {base}"
    for name, rest in instructions(dockerfile):
        if name == "ADD" or re.search(r"\b(curl|wget)\b|https?://|(index|find-links|trusted-host)", rest):
            yield f"fetches something itself: {name} {rest}"
        if " -r " in rest and rest.count("--require-hashes") < rest.count(" install "):
            yield f"installs without hashes: {rest}"


def ordinary_user(dockerfile: str, _ignore: str) -> Iterator[str]:
    users = [rest for name, rest in instructions(dockerfile) if name == "USER"]
    if users != [COMPOSE["x-airflow"]["user"]]:
        yield f"runs as {users}"


def volumes_have_their_folder(dockerfile: str, _ignore: str) -> Iterator[str]:
    """A named volume takes the owner of the image's folder; without one it is root's."""
    made = re.search(r"for folder in ([^;]+);", dockerfile)
    made_folders = set(made[1].split()) if made else set()
    mounted = {
        PurePosixPath(mount.split(":")[1]).relative_to("/var/lib/message-tracking").as_posix()
        for mount in COMPOSE["x-airflow"]["volumes"]
        if not mount.startswith("./")
    }
    if made_folders != mounted:
        yield f"makes {sorted(made_folders)}, mounted are {sorted(mounted)}"


IGNORE = (PROJECT / ".dockerignore").read_text()

POISONED_IMAGES = [
    (copied_files, "COPY src src", "COPY sources src", IGNORE),
    (copied_files, "COPY src src", "COPY src src", IGNORE + "src\n"),
    (copied_files, "COPY src src", "COPY src src", IGNORE.replace("!src\n", "")),
    (locked_and_local, "FROM python:3.11.14-slim-bookworm AS", "FROM python:3.11 AS", IGNORE),
    (locked_and_local, "COPY src src", "RUN curl -s somewhere | sh", IGNORE),
    (locked_and_local, "COPY src src", "ADD src src", IGNORE),
    (locked_and_local, "/bin/pip install --require-hashes", "/bin/pip install", IGNORE),
    (ordinary_user, "USER 50000:50000", "USER root", IGNORE),
    (ordinary_user, "USER 50000:50000\n", "", IGNORE),
    (volumes_have_their_folder, "landing logs", "logs", IGNORE),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in POISONED_IMAGES))
def test_the_image_keeps_the_rule(rule):
    assert list(rule(DOCKERFILE, IGNORE)) == []


@pytest.mark.parametrize(("rule", "old", "new", "ignore"), POISONED_IMAGES)
def test_a_poisoned_image_breaks_the_rule(rule, old, new, ignore):
    assert old in DOCKERFILE
    assert list(rule(DOCKERFILE.replace(old, new), ignore))


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        (".env", True),
        (".git", True),
        (".venv/bin/dbt", True),
        (".message-tracking/credentials.json", True),
        ("dbt_project/target/manifest.json", True),
        ("src/message_tracking/__pycache__/errors.pyc", True),
        ("src/message_tracking/errors.py", False),
    ],
)
def test_nothing_private_or_built_is_sent_to_the_builder(path, ignored):
    assert is_ignored(path, [line for line in IGNORE.splitlines() if not line.startswith("#")]) is ignored


def test_the_image_is_named_after_the_version():
    assert COMPOSE["x-airflow"]["image"] == f"message-tracking:{version('message-tracking')}"


def test_the_image_has_the_versions_that_are_tested():
    def pins(name: str) -> dict[str, str]:
        lines = (PROJECT / name).read_text().splitlines()
        return dict(line.split()[0].split("==") for line in lines if "==" in line and not line.startswith(("#", " ")))

    tested, added = pins("requirements.txt"), pins("requirements-cluster.txt")
    assert added["apache-airflow"] == tested["apache-airflow"]
    assert {name: version for name, version in added.items() if tested.get(name, version) != version} == {}
