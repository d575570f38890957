"""Candidates and publications: open, publish, refuse, abandon, roll back (design §2).

A candidate's number is the token of a build: every write of it checks the number in its own transaction. Publishing is
one update of one row, so all marts switch at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from psycopg2 import errors

from message_tracking.errors import HeldError, MessageTrackingError, RefusedError
from message_tracking.settings import Settings
from message_tracking.validation.verdict import read_verdict
from message_tracking.warehouse import Connection, Warehouse

KEPT_PUBLICATIONS = 5
LEASE = timedelta(minutes=15)


@dataclass(frozen=True)
class Candidate:
    """An open candidate and the loads it takes in: those with from_position < position <= to_position."""

    publication_id: int
    from_position: int
    to_position: int
    is_full: bool


@dataclass(frozen=True)
class Publication:
    """What readers see: its number and how many tracking events it took in."""

    publication_id: int
    event_count: int


def open_candidate(
    warehouse: Warehouse,
    holder: str,
    *,
    full: bool = False,
    lease: timedelta = LEASE,
    session: Connection | None = None,
) -> Candidate | None:
    """Open a candidate for everything loaded since the live publication; None where nothing is new.

    The same holder gets its open candidate back, so a retried task goes on with it. `session` is a connection that the
    holder keeps open while it builds: when that ends, the candidate is free at once, and not only after its lease.

    Raises HeldError where another holder's build is going on.
    """
    connection = session or warehouse.connect("open candidate")
    try:
        with connection, connection.cursor() as cursor:
            live, candidate = _lock_state(connection)
            if candidate is not None:
                mine = _candidate_of(connection, candidate, holder)
                if mine is not None:
                    return mine
                _close(connection, candidate, "abandoned", "its holder is gone")
            cursor.execute("select ops.undo_newer_than(%s)", (live,))
            cursor.execute(
                """
                insert into ops.publications (
                    status, base_publication_id, from_position, to_position, is_full, holder,
                    holder_pid, holder_started_at, lease_until
                )
                select
                    'open', %(live)s, coalesce(base.to_position, 0), loaded.position, %(full)s, %(holder)s,
                    session.pid, session.backend_start, clock_timestamp() + %(lease)s
                from (select coalesce(max(position), 0) as position from ops.file_ledger) as loaded
                left join ops.publications as base on base.publication_id = %(live)s
                left join pg_stat_activity as session on %(is_session)s and session.pid = pg_backend_pid()
                where loaded.position > case when %(full)s then 0 else coalesce(base.to_position, 0) end
                returning publication_id, from_position, to_position, is_full
                """,
                {"live": live, "full": full, "holder": holder, "lease": lease, "is_session": session is not None},
            )
            row = cursor.fetchone()
            if row is None:
                return None
            cursor.execute("update ops.publication_state set candidate_publication = %s", (row[0],))
            return Candidate(*row)
    finally:
        if session is None:
            connection.close()


def publish(warehouse: Warehouse, settings: Settings, candidate_id: int) -> Publication:
    """Show the candidate to all readers, if the records of the gate allow it.

    Publishing it again changes nothing, so a retry is safe. Raises RefusedError where a critical check failed or a
    result is missing, HeldError where another build has taken over.
    """
    with _transaction(warehouse, "publish") as connection, connection.cursor() as cursor:
        live, candidate = _lock_state(connection)
        if candidate != candidate_id:
            if live == candidate_id:
                return _publication(connection, candidate_id)
            raise HeldError(
                f"Candidate {candidate_id} is no longer open, so it cannot be published.",
                "Another build took over, or it was refused or abandoned. Run the pipeline again.",
            )
        verdict = read_verdict(connection, settings, candidate_id)
        if not verdict.is_publishable:
            raise RefusedError(verdict.report(), "Nothing was published; readers keep the last publication.")
        cursor.execute(
            "update ops.publication_state set live_publication = %s, candidate_publication = null", (candidate_id,)
        )
        cursor.execute(
            """
            update ops.publications
            set status = 'published', published_at = clock_timestamp(), closed_at = clock_timestamp(),
                verdict = %s, is_kept = true, event_count = (
                    select coalesce(sum(accepted_count), 0) from ops.file_ledger
                    where
                        kind = 'tracking_log'
                        and position <= publications.to_position
                        and (publications.is_full or position > publications.from_position)
                )
            where publication_id = %s
            """,
            (verdict.summary(), candidate_id),
        )
        publication = _publication(connection, candidate_id)
    forget_old_versions(warehouse)
    return publication


def forget_old_versions(warehouse: Warehouse, kept: int = KEPT_PUBLICATIONS) -> int:
    """Keep the newest publications and delete the row versions that only older ones need. Returns the rows deleted."""
    with _transaction(warehouse, "forget old versions") as connection, connection.cursor() as cursor:
        _lock_state(connection)
        cursor.execute(
            """
            update ops.publications set is_kept = false
            where is_kept and publication_id not in (
                select publication_id from ops.publications
                where is_kept and status = 'published'
                order by publication_id desc
                limit %s
            )
            """,
            (kept,),
        )
        cursor.execute("select ops.forget_older_than(min(publication_id)) from ops.publications where is_kept")
        row = cursor.fetchone()
        return int(row[0] or 0) if row else 0


def refuse(warehouse: Warehouse, candidate_id: int, verdict: str) -> None:
    """Close a candidate that the gate found wanting and undo it to the row. Refusing it again changes nothing."""
    _end_candidate(warehouse, candidate_id, "refused", verdict)


def abandon(warehouse: Warehouse, candidate_id: int, reason: str) -> None:
    """Close a candidate whose build failed and undo it; nothing happens where it is not open any more."""
    _end_candidate(warehouse, candidate_id, "abandoned", reason)


def rollback(warehouse: Warehouse, to: int | None = None, *, dry_run: bool = False) -> tuple[int, int]:
    """Show an earlier kept publication again (default: the one before). Returns the numbers (was live, is live).

    The publications after it are rolled back for good: the next build goes forward from here under a new number.
    Raises HeldError while a build is going on, MessageTrackingError where the publication is not kept.
    """
    with _transaction(warehouse, "rollback") as connection, connection.cursor() as cursor:
        live, candidate = _lock_state(connection)
        if candidate is not None:
            _raise_if_alive(connection, candidate)
            _close(connection, candidate, "abandoned", "its holder is gone")
            cursor.execute("select ops.undo_newer_than(%s)", (live,))
        cursor.execute(
            """
            select max(publication_id) from ops.publications
            where
                is_kept and status = 'published'
                and publication_id < %s
                and publication_id = coalesce(%s, publication_id)
            """,
            (live, to),
        )
        row = cursor.fetchone()
        if row is None or row[0] is None:
            wanted = f"Publication {to}" if to is not None else f"A publication before the live one ({live})"
            raise MessageTrackingError(
                f"{wanted} cannot be shown: none is kept.",
                "`message-tracking status` and marts.publications say which are.",
            )
        if not dry_run:
            cursor.execute("update ops.publication_state set live_publication = %s", (row[0],))
            cursor.execute(
                """
                update ops.publications set status = 'rolled_back', is_kept = false
                where status = 'published' and publication_id > %s
                """,
                (row[0],),
            )
        return live, row[0]


@contextmanager
def _transaction(warehouse: Warehouse, name: str) -> Iterator[Connection]:
    connection = warehouse.connect(name)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def _lock_state(connection: Connection) -> tuple[int, int | None]:
    """Lock the one row that says what is live; every write of a build holds it shared. Returns (live, candidate)."""
    with connection.cursor() as cursor:
        try:
            cursor.execute("set local lock_timeout = '10s'")
            cursor.execute("select live_publication, candidate_publication from ops.publication_state for update")
            row = cursor.fetchone()
            cursor.execute("set local lock_timeout = 0")
        except errors.LockNotAvailable as error:
            connection.rollback()
            cursor.execute("select candidate_publication from ops.publication_state")
            row = cursor.fetchone()
            raise _held(connection, row[0] if row else None) from error
        assert row is not None  # noqa: S101  (the migration makes the row, its key allows no second)
        return row[0], row[1]


def _candidate_of(connection: Connection, candidate: int, holder: str) -> Candidate | None:
    """Give the open candidate back to its holder; None where its holder is gone. HeldError where another lives."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select holder, publication_id, from_position, to_position, is_full
            from ops.publications where publication_id = %s
            """,
            (candidate,),
        )
        row = cursor.fetchone()
    if row is not None and row[0] == holder:
        return Candidate(*row[1:])
    _raise_if_alive(connection, candidate)
    return None


def _raise_if_alive(connection: Connection, candidate: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select case
                when holder_pid is null then lease_until > clock_timestamp()
                else exists (
                    select from pg_stat_activity where pid = holder_pid and backend_start = holder_started_at
                )
            end
            from ops.publications where publication_id = %s
            """,
            (candidate,),
        )
        row = cursor.fetchone()
    if row is not None and row[0]:
        raise _held(connection, candidate)


def _held(connection: Connection, candidate: int | None) -> HeldError:
    with connection.cursor() as cursor:
        cursor.execute(
            "select holder, opened_at, lease_until from ops.publications where publication_id = %s", (candidate,)
        )
        row = cursor.fetchone()
    if row is None:
        return HeldError("Another session is opening or publishing a candidate.", "Try again in a moment.")
    return HeldError(
        f"A build is going on: {row[0]} has held candidate {candidate} since {row[1]:%Y-%m-%d %H:%M:%S} UTC.",
        f"Wait for it, or if it died: its lease ends at {row[2]:%H:%M:%S} UTC unless it is renewed.",
    )


def _close(connection: Connection, candidate: int, status: str, verdict: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            update ops.publications set status = %s, verdict = %s, closed_at = clock_timestamp()
            where publication_id = %s
            """,
            (status, verdict, candidate),
        )
        cursor.execute("update ops.publication_state set candidate_publication = null")


def _end_candidate(warehouse: Warehouse, candidate_id: int, status: str, verdict: str) -> None:
    with _transaction(warehouse, status) as connection, connection.cursor() as cursor:
        live, candidate = _lock_state(connection)
        if candidate == candidate_id:
            _close(connection, candidate_id, status, verdict)
            cursor.execute("select ops.undo_newer_than(%s)", (live,))


def _publication(connection: Connection, publication_id: int) -> Publication:
    with connection.cursor() as cursor:
        cursor.execute(
            "select publication_id, event_count from ops.publications where publication_id = %s", (publication_id,)
        )
        row = cursor.fetchone()
    assert row is not None  # noqa: S101  (the caller has just read or written it)
    return Publication(*row)
