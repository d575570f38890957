"""Bringing a warehouse's database to the state that this version of the code needs."""

import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import encrypt_password

from message_tracking.embedded import EmbeddedServer, open_warehouse
from message_tracking.errors import ConfigurationError, MessageTrackingError
from message_tracking.settings import Settings
from message_tracking.warehouse import PIPELINE_ROLE, Warehouse, fetch_all

GROUPS = ("bi_reader", "tracking_analyst", "ops_reader")
"""The roles that readers are members of."""

LOCK_KEY = 7_269_013_482_001
"""Advisory lock of the database, held while migrating."""

OLDEST_SERVER = 16
"""Earlier servers do not tell membership of a role from the right to act as it."""


Progress = Callable[[str], object]
"""Is called with a line of text per step."""


@dataclass(frozen=True)
class Migration:
    """One numbered SQL file."""

    name: str
    script: str

    @property
    def number(self) -> int:
        """The digits before the name's first underscore."""
        return int(self.name.split("_")[0])

    @property
    def checksum(self) -> str:
        """SHA-256 of the script in hex."""
        return hashlib.sha256(self.script.encode()).hexdigest()


def migrate(
    warehouse: Warehouse,
    settings: Settings,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> list[str]:
    """Make the roles that are missing and apply the migrations that were not applied; return the names of these.

    Each migration is one transaction; migrates of one database wait for each other. On the embedded server (where
    `settings` names no other) each group of readers gets a login. With `dry_run` nothing is changed, and the names are
    of what would be applied.

    Raises MessageTrackingError where an applied migration has changed or is missing, one fails, or the login may not do
    what is needed.
    """
    progress = progress or (lambda _: None)
    migrations = read_migrations(settings.migrations)
    with closing(warehouse.connect("message-tracking migrate", role=None)) as connection:
        require_server(connection)
        if dry_run:
            return [migration.name for migration in pending_migrations(connection, migrations)]
        wait_for_others(connection, progress)
        make_roles(connection, progress)
        keep_readers_from_temporary_objects(connection, progress)
        if settings.warehouse_url is None:
            make_logins(connection, EmbeddedServer(settings.home), progress)
        act_as_pipeline(connection)
        pending = pending_migrations(connection, migrations)
        for migration in pending:
            progress(f"Applying {migration.name}")
            apply(connection, migration)
        make_person_key(connection)
    return [migration.name for migration in pending]


def ready_warehouse(settings: Settings) -> Warehouse:
    """The warehouse that the settings name, its embedded server started if need be.

    Raises MessageTrackingError where its database is not as this version of the code needs it.
    """
    warehouse = open_warehouse(settings)
    with closing(warehouse.connect(role=None)) as connection:
        pending = pending_migrations(connection, read_migrations(settings.migrations))
    if pending:
        raise MessageTrackingError(
            f"The warehouse at {warehouse.address} lacks the migration {pending[0].name}.",
            "Run `message-tracking migrate`.",
        )
    return warehouse


def read_migrations(folder: Path) -> list[Migration]:
    """The folder's `NNNN_*.sql` files in order.

    Raises ConfigurationError where there are none or two have the same number.
    """
    files = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    migrations = [Migration(file.stem, file.read_text(encoding="utf-8")) for file in files]
    if not migrations:
        raise ConfigurationError(
            f"There are no migrations in {folder}.", "MESSAGE_TRACKING_PROJECT must name the project's folder."
        )
    number, count = Counter(migration.number for migration in migrations).most_common(1)[0]
    if count > 1:
        raise ConfigurationError(
            f"{folder} has {count} migrations with the number {number:04}.", "Renumber the new one."
        )
    return migrations


def require_server(connection: Connection) -> None:
    """Raise ConfigurationError where the server is too old."""
    found = connection.info.server_version // 10_000
    if found < OLDEST_SERVER:
        raise ConfigurationError(f"The server is PostgreSQL {found}.", f"{OLDEST_SERVER} or a newer one is needed.")


def wait_for_others(connection: Connection, progress: Progress) -> None:
    """Take the lock, which the session holds until it ends."""
    with connection:
        if not fetch_all(connection, "select pg_try_advisory_lock(%s)", (LOCK_KEY,))[0][0]:
            progress("Waiting for another migrate of this warehouse")
            fetch_all(connection, "select pg_advisory_lock(%s)", (LOCK_KEY,))


def make_roles(connection: Connection, progress: Progress) -> None:
    """Make the roles that are missing and give them what the first migration relies on.

    Roles are the server's: another warehouse there may have made them.
    """
    names: dict[str, sql.Composable] = {
        "database": sql.Identifier(connection.info.dbname),
        "login": sql.Identifier(connection.info.user),
        "pipeline": sql.Identifier(PIPELINE_ROLE),
        "reader": sql.Identifier(GROUPS[0]),
    }
    for role in (PIPELINE_ROLE, *GROUPS):
        exists = ensure(
            connection,
            ("select exists (select from pg_roles where rolname = %s)", role),
            sql.SQL("create role {}").format(sql.Identifier(role)),
        )
        if not exists:
            progress(f"Made the role {role}")
    ensure(
        connection,
        ("select pg_has_role(current_user, %s, 'set')", PIPELINE_ROLE),
        sql.SQL("grant {pipeline} to {login} with inherit true, set true").format(**names),
    )
    # The migrations make the analysts members of it.
    ensure(
        connection,
        ("select pg_has_role(%s, %s, 'member with admin option')", PIPELINE_ROLE, GROUPS[0]),
        sql.SQL("grant {reader} to {pipeline} with admin true, inherit false, set false").format(**names),
    )
    for privilege in ("create", "temporary"):
        ensure(
            connection,
            ("select has_database_privilege(%s, current_database(), %s)", PIPELINE_ROLE, privilege),
            sql.SQL("grant create, temporary on database {database} to {pipeline}").format(**names),
        )
    for group in GROUPS:
        ensure(
            connection,
            ("select has_database_privilege(%s, current_database(), 'connect')", group),
            sql.SQL("grant connect on database {database} to {group}").format(group=sql.Identifier(group), **names),
        )


def keep_readers_from_temporary_objects(connection: Connection, progress: Progress) -> None:
    """Leave making temporary objects in this database to the pipeline: everybody may in a new one.

    Where only another role can revoke it, say what its administrator should run: the warehouse works without.
    """
    statement = sql.SQL(
        "grant temporary on database {database} to {pipeline}; revoke temporary on database {database} from public"
    ).format(database=sql.Identifier(connection.info.dbname), pipeline=sql.Identifier(PIPELINE_ROLE))
    is_open = "select has_database_privilege('public', current_database(), 'temporary')"
    with connection:
        if not fetch_all(connection, is_open)[0][0]:
            return
    # Who may not revoke gets an error or, having some other right there, only a warning.
    with suppress(errors.InsufficientPrivilege), connection, connection.cursor() as cursor:
        cursor.execute(statement)
    with connection:
        if fetch_all(connection, is_open)[0][0]:
            progress(
                f"The login {connection.info.user} may not keep readers from making temporary objects. "
                f"Let the server's administrator run this: {statement.as_string(connection)};"
            )


def ensure(connection: Connection, check: tuple[str, *tuple[str, ...]], statement: sql.Composable) -> bool:
    """Run a statement, in its own transaction, unless a check says that there is no need; return what the check said.

    Raises MessageTrackingError where the check fails afterwards too, since the login may not do it.
    """
    query, *parameters = check

    def holds() -> bool:
        with connection:
            return bool(fetch_all(connection, query, tuple(parameters))[0][0])

    if holds():
        return True
    refusal = ""
    for _ in range(20):
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
            break
        except errors.InsufficientPrivilege as error:
            refusal = f": {error}".rstrip()
            break
        except (errors.DuplicateObject, errors.UniqueViolation, errors.InternalError_):
            # The migrate of another database on this server is at the same roles.
            time.sleep(0.1)
    if not holds():
        raise MessageTrackingError(
            f"The login {connection.info.user} may not prepare the warehouse{refusal}",
            f"Let the server's administrator run this, then migrate again: {statement.as_string(connection)};",
        )
    return False


def make_logins(connection: Connection, server: EmbeddedServer, progress: Progress) -> None:
    """Make a login for each group of readers, with a generated password that the server's home keeps."""
    for group in GROUPS:
        login = login_name(group)
        with connection:
            exists = bool(fetch_all(connection, "select from pg_roles where rolname = %s", (login,)))
        if exists and server.credentials.has(login):
            continue
        progress(f"Making the login {login}")
        # The server gets the password's verifier, so that the password is in none of its logs.
        verifier = encrypt_password(server.credentials.make(login), login, connection, "scram-sha-256")
        name = sql.Identifier(login)
        action = sql.SQL("alter" if exists else "create")
        with connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("{} role {} login password {}").format(action, name, sql.Literal(verifier)))
            cursor.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), name))


def login_name(group: str) -> str:
    """The embedded server's login for a group of readers."""
    return f"{group}_login"


def act_as_pipeline(connection: Connection) -> None:
    """Act as the owner of everything from here on."""
    with connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("set role {}").format(sql.Identifier(PIPELINE_ROLE)))


def pending_migrations(connection: Connection, migrations: list[Migration]) -> list[Migration]:
    """The migrations that were not applied yet.

    Raises MessageTrackingError where the applied ones are not the first of these, unchanged.
    """
    applied = read_applied(connection)
    pending = [migration for migration in migrations if migration.name not in applied]
    changed = [
        migration.name
        for migration in migrations
        if applied.get(migration.name, migration.checksum) != migration.checksum
    ]
    if changed:
        raise MessageTrackingError(
            f"The migration {changed[0]} has changed since it was applied.",
            "Restore the file; a change of the schema goes into a new one.",
        )
    missing = sorted(applied.keys() - {migration.name for migration in migrations})
    if missing:
        raise MessageTrackingError(
            f"The migration {missing[0]} was applied, but is not in the project.",
            "The warehouse is newer than this code: use a version that has it.",
        )
    if pending and applied and pending[0].name < max(applied):
        raise MessageTrackingError(
            f"The migration {pending[0].name} comes too late: {max(applied)} is applied already.",
            "Give it a number after the last one.",
        )
    return pending


def read_applied(connection: Connection) -> dict[str, str]:
    """Names and checksums of the applied migrations.

    Raises MessageTrackingError where the login may not read them.
    """
    try:
        with connection:
            if not fetch_all(connection, "select from pg_tables where (schemaname, tablename) = ('ops', 'migrations')"):
                return {}
            return dict(fetch_all(connection, "select name, checksum from ops.migrations"))
    except errors.InsufficientPrivilege as error:
        raise MessageTrackingError(
            f"The login {connection.info.user} may not see what was applied: {error}".rstrip(),
            f"Use a login that is a member of {PIPELINE_ROLE}.",
        ) from error


def apply(connection: Connection, migration: Migration) -> None:
    """Apply a migration and record it, in one transaction.

    Raises MessageTrackingError where it fails.
    """
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(migration.script)
            # The first migration makes the schema.
            cursor.execute(
                """
                create table if not exists ops.migrations (
                    name text primary key,
                    checksum text not null,
                    applied_at timestamptz not null default clock_timestamp()
                );
                comment on table ops.migrations is 'The applied migrations, with the SHA-256 of their text in hex.'
                """
            )
            cursor.execute(
                "insert into ops.migrations (name, checksum) values (%s, %s)", (migration.name, migration.checksum)
            )
    except psycopg2.Error as error:
        raise MessageTrackingError(
            f"The migration {migration.name} failed, and nothing of it was kept: {error}".rstrip(),
            "Put the cause right, then migrate again.",
        ) from error


def make_person_key(connection: Connection) -> None:
    """Make the secret behind `person_id`, once and for ever (design: how the words are to be read)."""
    statement = "insert into ops.person_key (key) values (%s) on conflict do nothing"
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, (secrets.token_bytes(32),))
