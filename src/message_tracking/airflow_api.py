"""A small client of Airflow's public REST API (`/api/v2`), for driving the local stack."""

import json
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from message_tracking.errors import MessageTrackingError

TIMEOUT_SECONDS = 30
FINISHED = frozenset({"success", "failed"})


class NotFoundError(MessageTrackingError):
    """Airflow knows nothing under this address (yet)."""


@dataclass
class AirflowApi:
    """One Airflow, as one of its users sees it. Every method raises MessageTrackingError where Airflow refuses."""

    url: str
    user: str
    password: str = field(repr=False)
    _token: str | None = field(default=None, init=False, repr=False)

    def health(self) -> dict[str, str | None]:
        """Status by component (`metadatabase`, `scheduler`, `dag_processor`, …); needs no login."""
        answer = self._call("GET", "/api/v2/monitor/health", token=None)
        return {name: component.get("status") for name, component in answer.items()}

    def dag_ids(self) -> set[str]:
        """The DAGs that Airflow has parsed."""
        return {dag["dag_id"] for dag in self._get("/api/v2/dags", limit=100)["dags"]}

    def import_errors(self) -> dict[str, str]:
        """File name → why it could not be parsed."""
        errors = self._get("/api/v2/importErrors", limit=100)["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def dag(self, dag_id: str) -> dict[str, Any]:
        """One DAG: `is_paused`, `next_dagrun_run_after`, …."""
        return self._get(f"/api/v2/dags/{quote(dag_id)}")

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self._request("PATCH", f"/api/v2/dags/{quote(dag_id)}", {"is_paused": False})

    def trigger(self, dag_id: str) -> str:
        """Start a run and return its id."""
        return str(self._request("POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", {"logical_date": None})["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """One DAG run: `state`, `run_type`, `start_date`, `end_date`, …."""
        return self._get(f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}")

    def unfinished_runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs that go on or wait, oldest first."""
        path = f"/api/v2/dags/{quote(dag_id)}/dagRuns"
        states = ("queued", "running")
        runs: list[dict[str, Any]] = self._get(path, state=states, order_by="run_after", limit=100)["dag_runs"]
        return runs

    def failed_runs_since(self, dag_id: str, moment: str) -> list[dict[str, Any]]:
        """The runs that failed at or after an ISO 8601 moment, oldest first."""
        path = f"/api/v2/dags/{quote(dag_id)}/dagRuns"
        runs: list[dict[str, Any]] = self._get(
            path, state="failed", end_date_gte=moment, order_by="run_after", limit=100
        )["dag_runs"]
        return runs

    def runs_since(self, dag_id: str, moment: str) -> list[dict[str, Any]]:
        """The runs that were due at or after an ISO 8601 moment, oldest first."""
        path = f"/api/v2/dags/{quote(dag_id)}/dagRuns"
        runs: list[dict[str, Any]] = self._get(path, run_after_gte=moment, order_by="run_after", limit=100)["dag_runs"]
        return runs

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run: `task_id`, `map_index`, `state`, `try_number`, `duration`, …."""
        path = f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        instances: list[dict[str, Any]] = self._get(path, limit=1000)["task_instances"]
        return instances

    def has_queued_events(self, dag_id: str) -> bool:
        """Whether asset events wait to start a run of this DAG."""
        try:
            return bool(self._get(f"/api/v2/dags/{quote(dag_id)}/assets/queuedEvents")["queued_events"])
        except NotFoundError:
            return False

    def log_lines(self, dag_id: str, run_id: str, instance: dict[str, Any]) -> list[str]:
        """What a task instance's newest try has logged."""
        path = (
            f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}/taskInstances/{quote(instance['task_id'])}"
            f"/logs/{instance['try_number']}"
        )
        content = self._get(path, map_index=instance["map_index"], full_content="true")["content"]
        return [_log_line(entry) for entry in content]

    def _get(self, path: str, **parameters: object) -> dict[str, Any]:
        return self._request("GET", f"{path}?{urlencode(parameters, doseq=True)}" if parameters else path)

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if self._token is None:
            login = {"username": self.user, "password": self.password}
            self._token = str(self._call("POST", "/auth/token", login, token=None)["access_token"])
        return self._call(method, path, body, self._token)

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None, token: str | None = None
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = Request(  # noqa: S310  (the address is the local stack's own)
            self.url + path,
            method=method,
            headers=headers,
            data=json.dumps(body).encode() if body is not None else None,
        )
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                answer: dict[str, Any] = json.load(response)
                return answer
        except HTTPError as error:
            kind = NotFoundError if error.code == 404 else MessageTrackingError
            said = error.read().decode(errors="replace")[:500]
            raise kind(f"Airflow at {self.url} answered {error.code} to {method} {path}: {said}") from error
        except (URLError, HTTPException, OSError, ValueError) as error:
            raise MessageTrackingError(f"Airflow at {self.url} does not answer {method} {path}: {error}") from error


def _log_line(entry: dict[str, Any]) -> str:
    """One entry of a task's structured log as text, with the exceptions it holds."""
    lines = [str(entry.get("event", ""))]
    lines += [f"{detail.get('exc_type')}: {detail.get('exc_value')}" for detail in entry.get("error_detail") or ()]
    return "\n".join(lines)
