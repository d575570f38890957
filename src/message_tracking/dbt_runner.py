"""dbt, called within this process by the one call that it documents for that (`dbtRunner`); nothing else imports it.

As a program it would take seconds for each command to start, and would live on where this process is killed.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from message_tracking.errors import MessageTrackingError

_ONE_AT_A_TIME = threading.Lock()
"""dbt keeps its adapters and its flags in the process."""


@dataclass(frozen=True)
class DbtFolders:
    """Where dbt finds a project with its profiles, and where it leaves its results and its log."""

    project: Path
    target: Path
    logs: Path


def invoke_dbt(
    command: Sequence[str], folders: DbtFolders, environment: Mapping[str, str], report: Callable[[str], None]
) -> None:
    """Run a dbt command.

    `environment` is for profiles.yml and stands in this process's environment meanwhile; `report` gets the lines that
    dbt would print, from any of its threads. That nodes fail is no error here: run_results.json says it. Raises
    MessageTrackingError with dbt's last lines where it does not come to its end.
    """
    handlers = logging.root.handlers[:]
    from dbt.cli.main import dbtRunner  # noqa: PLC0415  (it takes seconds)

    # A library of dbt's has everybody's log lines printed as soon as it is imported.
    logging.root.handlers[:] = handlers

    last_lines: deque[str] = deque(maxlen=20)

    def tell(event: object) -> None:
        info = event.info  # type: ignore[attr-defined]  # of a generated class
        if info.level != "debug":
            last_lines.append(info.msg)
            report(info.msg)

    arguments = [
        *("--no-use-colors", "--log-level", "none", "--log-level-file", "debug"),
        *command,
        *("--project-dir", str(folders.project), "--profiles-dir", str(folders.project)),
        *("--target-path", str(folders.target), "--log-path", str(folders.logs)),
    ]
    with _ONE_AT_A_TIME, _environment({"DO_NOT_TRACK": "1", **environment}):
        error = dbtRunner(callbacks=[tell]).invoke(arguments).exception
    if isinstance(error, KeyboardInterrupt):
        raise error
    if error is not None:
        text = "\n".join([*last_lines, str(error)])
        raise MessageTrackingError(
            f"dbt {command[0]} did not come to its end:\n{text}", f"The dbt log is {folders.logs / 'dbt.log'}."
        )


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
