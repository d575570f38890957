"""The file ledger: one row per pull of a file, and the order in which pulls became visible (design §6)."""

import json
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_batch, execute_values

from message_tracking.errors import HeldError
from message_tracking.warehouse import fetch_all

TRACKING_LOG = "tracking_log"
CONTENTS = "contents"
# Any number will do, as long as nothing else in the product locks it.
_POSITION_LOCK = 7_246_225_001


@dataclass(frozen=True)
class FileKey:
    """Which file a ledger row is about."""

    source_id: int
    kind: str
    """`tracking_log`, `contents`, or the name of a table of reference data."""
    server: str
    file_name: str

    def __post_init__(self) -> None:
        """Write bytes of a file name that are not UTF-8, which Postgres text cannot hold, as escapes."""
        name = os.fsencode(self.file_name).decode(errors="backslashreplace")
        object.__setattr__(self, "file_name", name)

    @property
    def values(self) -> tuple[int, str, str, str]:
        """The columns source_id, kind, server, file_name."""
        return self.source_id, self.kind, self.server, self.file_name


@dataclass
class PullRecord:
    """What one ledger row says of a pull. Offsets and sizes in bytes of the file as stored."""

    from_offset: int = 0
    to_offset: int = 0
    file_size: int = 0
    head_digest: bytes | None = None
    head_length: int = 0
    modified_ns: int | None = None
    line_count: int = 0
    accepted_count: int = 0
    rejected_count: int = 0
    already_loaded_count: int = 0
    erased_count: int = 0
    described_count: int = 0
    """Of the accepted lines those that are no events."""
    replaced_byte_line_count: int = 0
    newest_event_at: datetime | None = None
    warnings: list[str] = field(default_factory=list)
    error: str | None = None
    sample_rejects: list[dict[str, Any]] = field(default_factory=list)

    def columns(self) -> dict[str, Any]:
        """Column → value as psycopg2 takes it."""
        return vars(self) | {
            "warnings": json.dumps(self.warnings),
            "sample_rejects": json.dumps(self.sample_rejects),
        }


_RECORD_COLUMNS = tuple(PullRecord.__dataclass_fields__)
_INSERT = sql.SQL(
    "insert into ops.file_ledger (source_id, kind, server, file_name, status, {columns}) "
    "values %s returning source_id, kind, server, file_name, load_id"
).format(columns=sql.SQL(", ").join(map(sql.Identifier, _RECORD_COLUMNS)))
_INSERTED = sql.SQL("(%(source_id)s, %(kind)s, %(server)s, %(file_name)s, %(status)s, {values})").format(
    values=sql.SQL(", ").join(map(sql.Placeholder, _RECORD_COLUMNS))
)
_FINISH = sql.SQL(
    "update ops.file_ledger set status = 'loaded', position = nextval('ops.load_position'), "
    "({columns}) = row({values}) where load_id = %(load_id)s"
).format(
    columns=sql.SQL(", ").join(map(sql.Identifier, _RECORD_COLUMNS)),
    values=sql.SQL(", ").join(map(sql.Placeholder, _RECORD_COLUMNS)),
)


def register_source(connection: Connection, name: str) -> int:
    """Return the `source_id` of a source, giving it one when it is met for the first time. Commits."""
    with connection, connection.cursor() as cursor:
        cursor.execute("select source_id from ops.sources where source = %s", (name,))
        row = cursor.fetchone()
        if row is None:
            cursor.execute("insert into ops.sources (source) values (%s) on conflict do nothing", (name,))
            cursor.execute("select source_id from ops.sources where source = %s", (name,))
            row = cursor.fetchone()
    assert row is not None  # noqa: S101
    return int(row[0])


def open_pull(cursor: Cursor, file: FileKey) -> int:
    """Begin a pull within the caller's transaction and return its `load_id`.

    The row becomes `loaded` by `finish_pull`, in the same transaction; until then nobody sees it.
    """
    return open_pulls(cursor, [file])[file]


def open_pulls(cursor: Cursor, files: list[FileKey]) -> dict[FileKey, int]:
    """Begin pulls of several files, like `open_pull`."""
    return _insert(cursor, files, "failed", PullRecord())


def finish_pull(cursor: Cursor, load_id: int, record: PullRecord) -> None:
    """Write a pull's counts and give it its position. The last statement before the commit.

    The lock is held until the commit, so positions become visible in order: whoever has seen one has seen all below.
    """
    finish_pulls(cursor, {load_id: record})


def finish_pulls(cursor: Cursor, records: dict[int, PullRecord]) -> None:
    """Finish several pulls, like `finish_pull`."""
    cursor.execute("select pg_advisory_xact_lock(%s)", (_POSITION_LOCK,))
    execute_batch(cursor, _FINISH, [record.columns() | {"load_id": load_id} for load_id, record in records.items()])


def write_failure(connection: Connection, file: FileKey, record: PullRecord) -> None:
    """Write one row saying that nothing of a file counts, in place of an earlier one of the same file. Commits."""
    with connection, connection.cursor() as cursor:
        forget_failures(cursor, file)
        _insert(cursor, [file], "failed", record)


def list_ignored(connection: Connection, files: list[FileKey], why: str) -> int:
    """Write a row for each file (of one source and kind) that is left alone and has none; return how many. Commits."""
    if not files:
        return 0
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select source_id, kind, server, file_name from ops.file_ledger "
            "where (source_id, kind) = (%s, %s) and status = 'ignored'",
            (files[0].source_id, files[0].kind),
        )
        known = {FileKey(*values) for values in cursor}
        new = [file for file in files if file not in known]
        _insert(cursor, new, "ignored", PullRecord(error=why))
    return len(new)


def lock_versions(cursor: Cursor, kind: str) -> None:
    """Let nobody else decide which rows of a kind of reference data are current before the caller's commit."""
    lock_until_commit(cursor, f"merge {kind}")


def forget_failures(cursor: Cursor, *files: FileKey, but: Collection[int] = ()) -> None:
    """Drop the failed rows of files, which other pulls (`but`, their load_ids) have made obsolete."""
    cursor.execute(
        "delete from ops.file_ledger where (source_id, kind, server, file_name) in %s "
        "and status = 'failed' and load_id <> all(%s)",
        (tuple(file.values for file in files), list(but)),
    )


def _insert(cursor: Cursor, files: list[FileKey], status: str, record: PullRecord) -> dict[FileKey, int]:
    """Insert a row of the same content for each file; return file → load_id."""
    rows = [record.columns() | vars(file) | {"status": status} for file in files]
    inserted = execute_values(cursor, _INSERT, rows, template=_INSERTED, fetch=True)
    return {FileKey(*values): load_id for *values, load_id in inserted}


def lock_until_commit(cursor: Cursor, name: str) -> None:
    """Let others who lock this name wait until the transaction ends."""
    cursor.execute("select pg_advisory_xact_lock(hashtextextended('message-tracking ' || %s, 0))", (name,))


def lock_rejected_lines(cursor: Cursor, file: FileKey) -> None:
    """Let no other pull of this server commit until this transaction ends: each sees what the other rejected."""
    lock_until_commit(cursor, f"rejects {file.source_id} {file.server}")


@contextmanager
def held_lock(connection: Connection, name: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a session lock known by its name, e.g. `load campaign/edge-a`, while the block runs.

    Raises HeldError, saying who holds it, unless `wait`. A killed process loses its session and so its lock.
    """
    key = fetch_all(connection, "select hashtextextended('message-tracking ' || %s, 0)", (name,))[0][0]
    if wait:
        fetch_all(connection, "select pg_advisory_lock(%s)", (key,))
    elif not fetch_all(connection, "select pg_try_advisory_lock(%s)", (key,))[0][0]:
        who = _holder(connection, key)
        connection.rollback()
        raise HeldError(
            f"`{name}` is held by {who}.", "Wait until it has finished, or end that process; then run again."
        )
    connection.commit()
    try:
        yield
    finally:
        if not connection.closed:
            connection.rollback()
            fetch_all(connection, "select pg_advisory_unlock(%s)", (key,))
            connection.commit()


def _holder(connection: Connection, key: int) -> str:
    """Say which session holds an advisory lock."""
    found: Sequence[tuple[Any, ...]] = fetch_all(
        connection,
        """
        select activity.application_name, activity.pid, activity.backend_start
        from pg_locks as locks
        inner join pg_stat_activity as activity on locks.pid = activity.pid
        where locks.locktype = 'advisory' and locks.granted and locks.objsubid = 1
            and locks.database = (select oid from pg_database where datname = current_database())
            and (locks.classid::bigint << 32 | locks.objid::bigint) = %s
        """,
        (key,),
    )
    if not found:
        return "a session that has just ended"
    application, pid, started_at = found[0]
    # The server tells a session's start only to its own role and those that monitor.
    since = f"{started_at:%Y-%m-%d %H:%M:%S} UTC" if started_at else "an unknown time"
    return f"{application or 'an unnamed session'} (server process {pid}, since {since})"
