"""What `message-tracking doctor` says: what is wrong with an installation, where, and what to do.

Every check looks at one thing, changes nothing and yields what it complains of; a check that cannot be made is a
complaint itself. Checks of the database get a session that can only read.
"""

import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psycopg2

from message_tracking.embedded import EmbeddedServer
from message_tracking.errors import ConfigurationError, MessageTrackingError, UnreadableFileError
from message_tracking.local_airflow import LocalAirflow
from message_tracking.migrating import GROUPS, pending_migrations, read_migrations, require_server
from message_tracking.publication import left_behind
from message_tracking.settings import Settings
from message_tracking.sources import configured_sources
from message_tracking.transports.health import check_health
from message_tracking.transports.opening import open_source
from message_tracking.warehouse import PIPELINE_ROLE, Connection, Warehouse, fetch_all

LEAST_FREE_BYTES = 2 << 30
LONGEST_WAIT_SECONDS = 60
LONGEST_IDLE_SECONDS = 600
LARGEST_CLOCK_DIFFERENCE_SECONDS = 60

READERS = {
    "marts": {"bi_reader"},
    "marts_private": {"tracking_analyst"},
    "audit": {"tracking_analyst"},
    "staging": {"tracking_analyst"},
    "intermediate": {"tracking_analyst"},
    "ops": {"ops_reader", "tracking_analyst"},
    "raw": set[str](),
    "mart_store": set[str](),
}
"""Which groups may look into which schema (design §2); analysts are members of `bi_reader` too."""


@dataclass(frozen=True)
class Complaint:
    """Something that is wrong: what and where, what to do, and whether the pipeline can work all the same."""

    what: str
    remedy: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class Diagnosis:
    """What one check found; nothing where all is well."""

    check: str
    complaints: tuple[Complaint, ...]

    @property
    def is_error(self) -> bool:
        """Whether the pipeline cannot work like this."""
        return any(complaint.severity == "error" for complaint in self.complaints)

    def __str__(self) -> str:
        """A line where all is well, else two lines per complaint."""
        if not self.complaints:
            return f"ok       {self.check}"
        return "\n".join(
            f"{complaint.severity:<8} {self.check}: {complaint.what}\n         → {complaint.remedy}"
            for complaint in self.complaints
        )


def examine(settings: Settings, *, least_free_bytes: int = LEAST_FREE_BYTES) -> Iterator[Diagnosis]:
    """Make every check, one after the other; the database's only where its server answers."""
    yield _diagnose("packages", lambda: _packages(settings))
    yield _diagnose("project", lambda: _project(settings))
    yield _diagnose("home", lambda: _home(settings))
    yield _diagnose("disk", lambda: _disk(settings, least_free_bytes))
    yield _diagnose("passwords", lambda: _passwords(settings))
    yield _diagnose("sources", lambda: _sources(settings))
    yield _diagnose("airflow", lambda: _airflow(settings))
    server = _diagnose("server", lambda: _server(settings))
    yield server
    if server.is_error:
        return
    with closing(_connect(settings)) as connection:
        schema = _diagnose("schema", lambda: _schema(connection, settings))
        yield schema
        if schema.is_error:
            return
        for name, check in _OF_DATABASE.items():
            yield _diagnose(name, lambda check=check: check(connection))  # type: ignore[misc]
            connection.rollback()


def _diagnose(name: str, check: Callable[[], Iterable[Complaint]]) -> Diagnosis:
    """Make one check; what keeps it from being made is its complaint."""
    try:
        return Diagnosis(name, tuple(check()))
    except MessageTrackingError as error:
        return Diagnosis(name, (Complaint(error.what, error.hint),))
    except (OSError, psycopg2.Error) as error:
        remedy = "Put the cause right and look again; until then nothing more is known here."
        return Diagnosis(name, (Complaint(f"It cannot be looked at: {error}".strip(), remedy),))


def _packages(settings: Settings) -> Iterator[Complaint]:
    """What is installed is what the lock file names."""
    lock = settings.project / "requirements.txt"
    for name, wanted in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE):
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "not installed"
        if found != wanted:
            yield Complaint(f"{name} is {found}, {lock} wants {wanted}.", "Run `make setup`.")


def _project(settings: Settings) -> Iterator[Complaint]:
    """The folders that the pipeline works from are there, and dbt is."""
    for file in (settings.dbt_project / "dbt_project.yml", Path(sys.executable).with_name("dbt")):
        if not file.exists():
            yield Complaint(
                f"{file} is missing.", "Restore it; MESSAGE_TRACKING_PROJECT names the project's folder if set."
            )
    read_migrations(settings.migrations)
    if not any(settings.expectations.glob("[!_]*.py")):
        yield Complaint(f"There are no suites in {settings.expectations}.", "Restore the folder from the repository.")


def _home(settings: Settings) -> Iterator[Complaint]:
    """Dbt, Data Docs and logs are written there."""
    if settings.home.exists() and not (settings.home.is_dir() and os.access(settings.home, os.W_OK | os.X_OK)):
        yield Complaint(
            f"{settings.home} is no folder that you can write to.",
            "Act as its owner, or name a folder of your own in MESSAGE_TRACKING_HOME.",
        )


def _disk(settings: Settings, least_free_bytes: int) -> Iterator[Complaint]:
    """A load that finds the disk full loses nothing, but does not go on either."""
    place = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if free < least_free_bytes:
        yield Complaint(
            f"Only {free >> 20} MiB are free at {place}.",
            "Free space, or move the home to a larger disk: MESSAGE_TRACKING_HOME.",
            "warning",
        )


def _passwords(settings: Settings) -> Iterator[Complaint]:
    """Nobody else reads the generated passwords."""
    for file in (settings.home / "credentials.json", settings.home / "airflow" / "passwords.json"):
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Complaint(f"Others can read {file}.", f"Run `chmod 600 {file}` and think of the passwords as known.")


def _sources(settings: Settings) -> Iterator[Complaint]:
    """The sources file can be read, and what it names is there and lets us in."""
    sources = configured_sources(settings)
    for source in sources.sources:
        try:
            open_source(source).require_folder()
            check_health(source.health)
        except (ConfigurationError, UnreadableFileError) as error:
            yield Complaint(error.what, error.hint)


def _airflow(settings: Settings) -> Iterator[Complaint]:
    """An Airflow that was started here has not died."""
    airflow = LocalAirflow(settings)
    if airflow.was_started() and not airflow.is_running():
        yield Complaint(f"The Airflow of {airflow.folder} has died.", "`make up` starts it again.", "warning")


def _server(settings: Settings) -> Iterator[Complaint]:
    """The server answers, is new enough and lets us act as the pipeline."""
    if settings.warehouse_url is None:
        server = EmbeddedServer(settings.home)
        if not server.data.exists():
            yield Complaint(
                f"There is no embedded server in {settings.home} yet.", "`message-tracking migrate` makes it."
            )
            return
        if not server.is_running():
            yield Complaint(
                f"The embedded server in {settings.home} does not answer. Its log is {server.log}.",
                "`message-tracking dsn` starts it.",
            )
            return
    with closing(_connect(settings, role=None)) as connection:
        require_server(connection)
        encoding, is_member, now = fetch_all(
            connection,
            """
            select
                current_setting('server_encoding'),
                (select coalesce(bool_or(pg_has_role(oid, 'set')), false) from pg_roles where rolname = %s),
                clock_timestamp()
            """,
            (PIPELINE_ROLE,),
        )[0]
        difference = abs((datetime.now(UTC) - now).total_seconds())
    if encoding != "UTF8":
        yield Complaint(
            f"The database's encoding is {encoding}.",
            "Make it anew: create database … encoding 'UTF8' template template0.",
        )
    if not is_member:
        yield Complaint(f"The login may not act as {PIPELINE_ROLE}.", "Run `message-tracking migrate`.")
    if difference > LARGEST_CLOCK_DIFFERENCE_SECONDS:
        yield Complaint(
            f"The server's clock and this machine's differ by {difference:.0f} s.", "Set both by NTP.", "warning"
        )


def _connect(settings: Settings, role: str | None = PIPELINE_ROLE) -> Connection:
    """Open a session that can only read."""
    warehouse = Warehouse(settings.warehouse_url or EmbeddedServer(settings.home).url())
    connection = warehouse.connect("message-tracking doctor", role)
    connection.set_session(readonly=True)
    return connection


def _schema(connection: Connection, settings: Settings) -> Iterator[Complaint]:
    """Every migration is applied, unchanged."""
    pending = pending_migrations(connection, read_migrations(settings.migrations))
    if pending:
        names = ", ".join(migration.name for migration in pending)
        yield Complaint(f"Not applied yet: {names}.", "Run `message-tracking migrate`.")


def _rights(connection: Connection) -> Iterator[Complaint]:
    """Each group of readers sees its schemas and no other."""
    for schema, readers in READERS.items():
        for group in GROUPS:
            is_open = fetch_all(connection, "select has_schema_privilege(%s, %s, 'usage')", (group, schema))[0][0]
            if group in readers and not is_open:
                yield Complaint(
                    f"{group} may not look into the schema {schema}.",
                    f"Run: grant usage on schema {schema} to {group};",
                )
            elif is_open and group not in readers | ({"tracking_analyst"} if "bi_reader" in readers else set()):
                yield Complaint(
                    f"{group} may look into the schema {schema}.", f"Run: revoke usage on schema {schema} from {group};"
                )
    for schema, group in (("marts", "bi_reader"), ("marts_private", "tracking_analyst")):
        closed = fetch_all(
            connection,
            """
            select string_agg(relname, ', ' order by relname) from pg_class
            where relnamespace = %s::regnamespace and relkind = 'v' and not has_table_privilege(%s, oid, 'select')
            """,
            (schema, group),
        )[0][0]
        if closed:
            yield Complaint(
                f"{group} may not read these of the schema {schema}: {closed}.",
                f"Run: grant select on all tables in schema {schema} to {group};",
            )


def _publications(connection: Connection) -> Iterator[Complaint]:
    """What readers see is kept, and no candidate was left behind."""
    live, is_kept = fetch_all(
        connection,
        """
        select live_publication, coalesce(is_kept, live_publication = 0)
        from ops.publication_state
        left join ops.publications on publication_id = live_publication
        """,
    )[0]
    if not is_kept:
        yield Complaint(
            f"The live publication {live} is not among those that are kept.",
            "Show one that is: `message-tracking status` lists them, `message-tracking rollback --to NUMBER`.",
        )
    left = left_behind(connection)
    if left is not None:
        yield Complaint(
            f"Candidate {left.publication_id} was left behind by {left.holder}, "
            f"opened at {left.opened_at:%Y-%m-%d %H:%M} UTC.",
            "The next run takes its place; `message-tracking abandon` undoes it now.",
            "warning",
        )


def _sessions(connection: Connection) -> Iterator[Complaint]:
    """Nobody keeps the others waiting."""
    for pid, name, login, seconds, kept in fetch_all(
        connection,
        """
        select
            blocker.pid, blocker.application_name, blocker.usename,
            extract(epoch from max(clock_timestamp() - waiting.state_change))::integer, count(*)
        from pg_stat_activity as waiting
        cross join lateral unnest(pg_blocking_pids(waiting.pid)) as blocking(pid)
        inner join pg_stat_activity as blocker on blocking.pid = blocker.pid
        where waiting.datname = current_database() and waiting.wait_event_type = 'Lock'
        group by blocker.pid, blocker.application_name, blocker.usename
        having max(clock_timestamp() - waiting.state_change) > make_interval(secs => %s)
        """,
        (LONGEST_WAIT_SECONDS,),
    ):
        yield Complaint(
            f"Server process {pid} ({name or 'unnamed'}, login {login}) has kept {kept} session(s) waiting "
            f"for {seconds} s.",
            f"End it if it should not be there: select pg_terminate_backend({pid});",
            "warning",
        )
    for pid, name, login, seconds in fetch_all(
        connection,
        """
        select pid, application_name, usename, extract(epoch from clock_timestamp() - state_change)::integer
        from pg_stat_activity
        where
            datname = current_database() and state like 'idle in transaction%%'
            and state_change < clock_timestamp() - make_interval(secs => %s)
        """,
        (LONGEST_IDLE_SECONDS,),
    ):
        yield Complaint(
            f"Server process {pid} ({name or 'unnamed'}, login {login}) has idled in a transaction for {seconds} s, so "
            "nothing can be cleaned up.",
            f"Let it commit, or end it: select pg_terminate_backend({pid});",
            "warning",
        )


def _locks(connection: Connection) -> Iterator[Complaint]:
    """Locks by which the pipeline's runs tell each other what they are at are taken by nobody else."""
    for pid, name, login in fetch_all(
        connection,
        """
        select distinct pid, application_name, usename
        from pg_locks
        inner join pg_stat_activity using (pid)
        where
            locktype = 'advisory' and granted
            and pg_locks.database = (select oid from pg_database where datname = current_database())
            and not pg_has_role(usename, %s, 'member')
        """,
        (PIPELINE_ROLE,),
    ):
        yield Complaint(
            f"Server process {pid} ({name or 'unnamed'}, login {login}) is no member of {PIPELINE_ROLE} and holds an "
            "advisory lock, which can keep loads and builds from starting.",
            f"Ask its owner, or end it: select pg_terminate_backend({pid});",
            "warning",
        )


def _ledger(connection: Connection) -> Iterator[Complaint]:
    """The file ledger's sums are what is in raw (design §6)."""
    for what, counted, noted in fetch_all(
        connection,
        """
        with open_lines as (
            select from raw.rejected_lines as lines
            inner join ops.file_ledger as loads on lines.load_id = loads.load_id
            where loads.kind = 'tracking_log' and lines.replayed_by_load_id is null
        )

        select 'events', (select count(*) from raw.events), sum(event_count)
        from ops.file_ledger where kind = 'tracking_log' and status = 'loaded'
        union all
        select 'rejected_lines', (select count(*) from open_lines), sum(rejected_count)
        from ops.file_ledger where kind = 'tracking_log' and status = 'loaded'
        """,
    ):
        if counted != (noted or 0):
            yield Complaint(
                f"raw.{what} has {counted} rows, ops.file_ledger says {noted or 0}.",
                "Somebody has changed them by hand: restore the backup, or load the files into a new warehouse.",
            )


_OF_DATABASE: dict[str, Callable[[Connection], Iterator[Complaint]]] = {
    "rights": _rights,
    "publications": _publications,
    "sessions": _sessions,
    "locks": _locks,
    "ledger": _ledger,
}
