"""SIGKILL of everything that takes part in a run, at drawn moments of each of its steps, while a reader looks on."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from message_tracking.embedded import DATABASE, SUPERUSER, EmbeddedServer
from message_tracking.migrating import login_name
from message_tracking.warehouse import fetch_all

CLI = str(Path(sys.executable).with_name("message-tracking"))
PATIENCE = 300
LONGEST_DELAY = {"migrate": 0.3, "load": 0.2, "build": 4.0, "validate": 4.0}
"""Seconds after the beginning of a step within which the kill is drawn. A publication waits for us."""
SESSIONS = {
    "migrate": ("message-tracking migrate",),
    "load": ("message-tracking load campaign/reference", "message-tracking load campaign/edge"),
}
"""How the sessions are named by which short steps are recognised: reference data, then tracking logs."""
VICTIMS = {
    "migrate": ("cli", "server"),
    "load": ("cli", "session", "server"),
    "build": ("cli", "session", "server"),
    "validate": ("cli", "session", "server"),
    "publish": ("cli", "session", "server"),
}
_SAID = re.compile(r"^\d\d:\d\d:\d\d (Build|Judge|Publish) ")
_STEP = {"Build": "build", "Judge": "validate", "Publish": "publish"}


@dataclass(frozen=True)
class Kill:
    """What was killed, in which step, and what the server was at."""

    step: str
    victim: str
    at: str

    def __str__(self) -> str:
        """One row of the record."""
        return f"{self.step:<9} {self.victim:<8} {self.at}"


class Run:
    """One `message-tracking run` or `migrate` as a process, with the step that it has reached."""

    def __init__(self, home: Path, sources: Path, *arguments: str) -> None:
        environment = os.environ | {"MESSAGE_TRACKING_HOME": str(home), "MESSAGE_TRACKING_SOURCES": str(sources)}
        environment.pop("MESSAGE_TRACKING_WAREHOUSE", None)
        self.process = subprocess.Popen(
            [CLI, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.step = "migrate" if arguments == ("migrate",) else "load"
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if found := _SAID.match(line):
                self.step = _STEP[found[1]]

    def wait_for(self, step: str) -> bool:
        """Wait until it is at a step; False where it has ended before."""
        while self.step != step:
            if self.process.poll() is not None:
                return False
            time.sleep(0.01)
        return True

    def end(self) -> int:
        """Wait for its end."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


class Reader:
    """Reads several marts in one statement, again and again, as a BI tool does."""

    QUERY = """
        select
            (select max(publication_id) from marts.publications where is_live),
            (select count(*) || ' ' || coalesce(sum(seconds_since_sent), 0) from marts.tracking_events),
            (select coalesce(sum(recipient_click_count), 0) from marts.delivery_indicators),
            (select count(*) || ' ' || max(last_event_at) from marts.deliveries),
            (select coalesce(sum(click_count), 0) from marts.url_clicks)
    """

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.seen: dict[Any, set[tuple[Any, ...]]] = {}
        self.read_count = 0
        self.errors: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "Reader":
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join(PATIENCE)

    def _read(self) -> None:
        while not self._stop.is_set():
            # A server that is away is no error of a reader; it comes back.
            with (
                suppress(psycopg2.OperationalError, psycopg2.InterfaceError),
                closing(psycopg2.connect(self.server.url(login_name("bi_reader")))) as connection,
            ):
                connection.autocommit = True
                self._read_from(connection)
            time.sleep(0.05)

    def _read_from(self, connection: Any) -> None:
        while not self._stop.is_set():
            try:
                ((publication, *figures),) = fetch_all(connection, self.QUERY)
            except psycopg2.errors.UndefinedTable:
                # Before the first publication there are no marts.
                figures = []
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                raise
            except psycopg2.Error as error:
                self.errors.append(str(error))
                return
            if figures:
                self.seen.setdefault(publication, set()).add(tuple(figures))
                self.read_count += 1
            time.sleep(0.02)

    @property
    def mixtures(self) -> dict[Any, set[tuple[Any, ...]]]:
        """The publications that were seen with more than one set of figures."""
        return {publication: figures for publication, figures in self.seen.items() if len(figures) > 1}


@dataclass
class Killer:
    """Runs the pipeline of one home and kills what it is told to; the record says what was hit."""

    home: Path
    sources: Path
    seed: int
    record: list[Kill] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Draw from the seed."""
        self.random = random.Random(self.seed)
        self.server = EmbeddedServer(self.home)

    def start(self, *arguments: str) -> Run:
        """Start a verb."""
        return Run(self.home, self.sources, *arguments)

    def kill_in(self, step: str, victim: str | None = None) -> bool:
        """Start a run (or a migrate) and kill in this step what is named or drawn; whether the run ended well even so."""
        victim = victim or self.random.choice(VICTIMS[step])
        run = self._reach(step)
        if step == "publish":
            with self._keeping_from_publishing():
                self._wait_until(lambda: self._sessions("publish", "wait_event_type = 'Lock'"), run)
                self._kill(run, step, victim)
        else:
            if step in SESSIONS:
                name = self.random.choice(SESSIONS[step])
                self._wait_until(lambda: run.step != step or self._sessions(name, "true"), run)
            time.sleep(self.random.uniform(0, LONGEST_DELAY[step]))
            self._kill(run, step, victim)
        code = run.end()
        said = "\n".join(run.lines)
        assert "Traceback" not in said, said
        # A session that is ended between two statements is opened anew.
        assert victim == "cli" or code in {0, 1, 3}, (code, said)
        return code == 0

    def _reach(self, step: str) -> Run:
        """Start runs until one comes to the step; of a publication, to the step before."""
        for _ in range(5):
            run = self.start("migrate" if step == "migrate" else "run")
            if run.wait_for("validate" if step == "publish" else step):
                return run
            said = "\n".join(run.lines)
            run.end()
            assert "Traceback" not in said, said
        raise AssertionError(said)

    def finish(self) -> None:
        """Run until it ends well, as a scheduler's retries do."""
        for _ in range(5):
            run = self.start("run")
            if run.end() == 0:
                return
        raise AssertionError("\n".join(run.lines))

    def _kill(self, run: Run, step: str, victim: str) -> None:
        at = self._what_the_server_is_at()
        if victim == "cli":
            run.process.kill()
        elif victim == "session":
            self._kill_a_session()
        else:
            with suppress(FileNotFoundError, psutil.NoSuchProcess):
                postmaster = psutil.Process(int((self.server.data / "postmaster.pid").read_text().split()[0]))
                for process in (postmaster, *postmaster.children()):
                    with suppress(psutil.NoSuchProcess):
                        process.send_signal(signal.SIGKILL)
                postmaster.wait(PATIENCE)
        self.record.append(Kill(step, victim, at))

    def _kill_a_session(self) -> None:
        """Kill the server process of a session; the server then ends all others and recovers."""
        found = self._sessions("", "backend_type = 'client backend' and pid <> pg_backend_pid()")
        ours = [pid for pid, name in found if name not in {"", "reader"}]
        if ours:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(self.random.choice(ours)).kill()

    def _what_the_server_is_at(self) -> str:
        names = sorted({name for _, name in self._sessions("", "usename = 'tracking_pipeline'") if name})
        return ", ".join(names) or "nothing"

    def _sessions(self, name: str, condition: str) -> list[tuple[int, str]]:
        """Sessions in the warehouse whose name begins so: (server process, name)."""
        query = f"select pid, application_name from pg_stat_activity where datname = %s and application_name ^@ %s and {condition}"
        with suppress(psycopg2.Error), closing(psycopg2.connect(self.server.url(SUPERUSER))) as connection:
            return [(pid, text) for pid, text in fetch_all(connection, query, (DATABASE, name))]
        return []

    @contextmanager
    def _keeping_from_publishing(self) -> Iterator[None]:
        """Make a publication wait within its transaction."""
        with closing(psycopg2.connect(self.server.url())) as connection, connection.cursor() as cursor:
            # What a build does meanwhile takes no lock that this one keeps away.
            cursor.execute("select from ops.publications for no key update of publications")
            yield

    def _wait_until(self, condition: Callable[[], object], run: Run) -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            if run.process.poll() is not None:
                return
            assert time.monotonic() < until
            time.sleep(0.02)

    def table(self) -> str:
        """How often what was killed in which step."""
        counts = Counter((kill.step, kill.victim) for kill in self.record)
        rows = [f"{step:<9} {victim:<8} {count:>4}" for (step, victim), count in sorted(counts.items())]
        return "\n".join([*rows, "", *map(str, self.record)])
