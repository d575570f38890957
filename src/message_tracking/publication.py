"""Candidates and publications: open, publish, refuse, abandon, roll back (design §2).

A candidate's number is the token of a build: every write of it checks the number in its own transaction. Publishing is
one update of one row, so all marts switch at once.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg2 import errors

from message_tracking.errors import HeldError, MessageTrackingError, RefusedError
from message_tracking.settings import Settings
from message_tracking.validation.verdict import read_verdict
from message_tracking.warehouse import Connection, Warehouse, fetch_all

KEPT_PUBLICATIONS = 5
LEASE = timedelta(minutes=15)
FULL_FROM_EVENTS = 1_000_000
"""From so many new events on a candidate that is mostly new is computed anew: looking each row up would take longer."""
SHELL_HOLDER = "message-tracking on "
"""How the names of holders begin that build by hand."""

_HOLDER_LOCK = 1_836_344_174
"""First half of the advisory locks that holders' sessions keep; the second is the candidate's number."""


@dataclass(frozen=True)
class Candidate:
    """An open candidate and the loads it takes in: those with from_position < position <= to_position."""

    publication_id: int
    from_position: int
    to_position: int
    is_full: bool


@dataclass(frozen=True)
class LeftCandidate:
    """A candidate whose holder is gone."""

    publication_id: int
    holder: str
    opened_at: datetime


@dataclass(frozen=True)
class Publication:
    """What readers see: its number, how many tracking events it took in and whether these are all there are."""

    publication_id: int
    event_count: int
    is_full: bool

    def report(self) -> str:
        """Say in a sentence what was published."""
        if self.is_full:
            return f"Published {self.publication_id}, computed anew from all {self.event_count} events."
        return f"Published {self.publication_id} with {self.event_count} new events."


def open_candidate(  # noqa: PLR0913  (what may be left out goes by name)
    warehouse: Warehouse,
    holder: str,
    *,
    full: bool = False,
    only_published: bool = False,
    project: str | None = None,
    lease: timedelta = LEASE,
    session: Connection | None = None,
) -> Candidate | None:
    """Open a candidate for everything loaded since the live publication; None where nothing is new.

    It takes in everything there is where it is to be `full`, where the live publication was built from another
    `project` (`building.project_digest`), as old rows under old formulas beside new ones would be a mixture, and where
    more than `FULL_FROM_EVENTS`, and more than all that is published, is new: that takes less time then. With
    `only_published` it takes in what the live publication has taken in and nothing newer, to be compared with it.

    The same holder gets its open candidate back, so a retried task goes on with it, unless it now wants a full build:
    then what it had is abandoned. `session` is a connection that the holder keeps open while it builds: when that ends,
    the candidate is free at once, and not only after its lease.

    Raises HeldError where another holder's build is going on.
    """
    connection = session or warehouse.connect("open candidate")
    try:
        with connection, connection.cursor() as cursor:
            live, candidate = _lock_state(connection)
            if candidate is not None:
                mine = _candidate_of(connection, candidate, holder)
                if mine is not None and session is not None:
                    _keep_by_session(session, candidate)
                if mine is not None and (mine.is_full or not full):
                    return mine
                reason = "its holder is gone" if mine is None else "its holder builds everything anew"
                _close(connection, candidate, "abandoned", reason)
            cursor.execute("select ops.undo_newer_than(%s)", (live,))
            cursor.execute(
                """
                insert into ops.publications (
                    status, base_publication_id, from_position, to_position, is_full, holder, has_session, lease_until,
                    project_digest, event_count
                )
                with live as (
                    select
                        coalesce(max(to_position), 0) as position,
                        coalesce(bool_or(project_digest <> %(project)s), false) as is_of_another_project
                    from ops.publications
                    where publication_id = %(live)s
                ), logs as (
                    select
                        coalesce(sum(event_count) filter (where loads.position <= live.position), 0) as published_count,
                        coalesce(sum(event_count) filter (where loads.position > live.position), 0) as new_count
                    from ops.file_ledger as loads
                    cross join live
                    where loads.kind = 'tracking_log'
                )
                select
                    'open', %(live)s, base.position, max(loads.position), base.is_full, %(holder)s, %(has_session)s,
                    clock_timestamp() + %(lease)s, %(project)s,
                    coalesce(sum(loads.event_count) filter (where loads.kind = 'tracking_log'), 0)
                from (
                    select
                        live.position,
                        %(full)s or live.is_of_another_project or (
                            not %(only_published)s
                            and logs.published_count > 0
                            and logs.new_count > greatest(logs.published_count, %(full_from)s)
                        ) as is_full
                    from live
                    cross join logs
                ) as base
                inner join ops.file_ledger as loads
                    on
                        loads.position > case when base.is_full then 0 else base.position end
                        and (loads.position <= base.position or not %(only_published)s)
                group by base.position, base.is_full
                returning publication_id, from_position, to_position, is_full
                """,
                {
                    "live": live,
                    "full": full,
                    "full_from": FULL_FROM_EVENTS,
                    "only_published": only_published,
                    "project": project,
                    "holder": holder,
                    "lease": lease,
                    "has_session": session is not None,
                },
            )
            row = cursor.fetchone()
            if row is None:
                return None
            cursor.execute("update ops.publication_state set candidate_publication = %s", (row[0],))
            if session is not None:
                _keep_by_session(session, row[0])
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
                verdict = %s, is_kept = true
            where publication_id = %s
            """,
            (verdict.summary(), candidate_id),
        )
        publication = _publication(connection, candidate_id)
    # It is published: whoever holds the state now only keeps old versions for longer, until the next publication.
    with suppress(HeldError):
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


def abandon_open(warehouse: Warehouse, *, force: bool = False) -> int | None:
    """Give up, and undo, the open candidate of a shell or of a holder that is gone. Returns its number, None without.

    Raises HeldError, unless `force`, where it is that of a DAG run or of a process that lives.
    """
    with _transaction(warehouse, "abandon") as connection, connection.cursor() as cursor:
        live, candidate = _lock_state(connection)
        if candidate is None:
            return None
        if not force:
            _raise_unless_by_hand(connection, candidate)
        _close(connection, candidate, "abandoned", "given up by hand")
        cursor.execute("select ops.undo_newer_than(%s)", (live,))
        return candidate


def keep_builds_away(connection: Connection) -> None:
    """Let nobody build, publish or roll back until the caller's transaction ends; undo what a dead holder has left.

    Raises HeldError while a build is going on.
    """
    live, candidate = _lock_state(connection)
    if candidate is not None:
        _raise_if_alive(connection, candidate)
        _undo_left_behind(connection, live, candidate)


def candidate_by_hand(warehouse: Warehouse) -> int | None:
    """Return the number of the open candidate to whoever goes on with it in a shell; None where none is open.

    Raises HeldError where it is that of a DAG run or of a process that lives.
    """
    with _transaction(warehouse, "look at the candidate") as connection:
        candidate: int | None = fetch_all(connection, "select candidate_publication from ops.publication_state")[0][0]
        if candidate is not None:
            _raise_unless_by_hand(connection, candidate)
        return candidate


def is_open(warehouse: Warehouse, candidate_id: int) -> bool:
    """Whether this is still the open candidate."""
    with _transaction(warehouse, "look at the candidate") as connection:
        return bool(
            fetch_all(connection, "select candidate_publication = %s from ops.publication_state", (candidate_id,))[0][0]
        )


def left_behind(connection: Connection) -> LeftCandidate | None:
    """The open candidate, if its holder is gone."""
    rows = fetch_all(
        connection,
        """
        select publication_id, holder, opened_at
        from ops.publications
        where publication_id = (select candidate_publication from ops.publication_state)
        """,
    )
    if not rows or _is_alive(connection, rows[0][0]):
        return None
    return LeftCandidate(*rows[0])


def changed_rows(warehouse: Warehouse, publication_id: int) -> dict[str, tuple[int, int]]:
    """Tell how many rows of each mart (came, went) with a candidate or publication, of the marts where any did."""
    with _transaction(warehouse, "compare") as connection:
        rows = fetch_all(
            connection,
            """
            select model, opened_count, closed_count
            from (
                select distinct on (model) * from ops.model_builds
                where publication_id = %s and not starts_with(model, 'int_')
                order by model, build_id desc
            ) as builds
            where opened_count + closed_count > 0
            """,
            (publication_id,),
        )
    return {model: (came, went) for model, came, went in rows}


def rollback(warehouse: Warehouse, to: int | None = None, *, dry_run: bool = False) -> tuple[int, int]:
    """Show an earlier kept publication again (default: the one before). Returns the numbers (was live, is live).

    The publications after it are rolled back for good: the next build goes forward from here under a new number.
    With `dry_run` nothing changes. Raises HeldError while a build is going on, MessageTrackingError where the
    publication is not kept or is live already.
    """
    with _transaction(warehouse, "rollback") as connection, connection.cursor() as cursor:
        live, candidate = _lock_state(connection)
        if candidate is not None:
            _raise_if_alive(connection, candidate)
        target = _kept_before(connection, live, to)
        if dry_run:
            return live, target
        if candidate is not None:
            _undo_left_behind(connection, live, candidate)
        cursor.execute("update ops.publication_state set live_publication = %s", (target,))
        cursor.execute(
            """
            update ops.publications set status = 'rolled_back', is_kept = false
            where status = 'published' and publication_id > %s
            """,
            (target,),
        )
        return live, target


def _kept_before(connection: Connection, live: int, wanted: int | None) -> int:
    """Find the kept publication before the live one that is wanted (None: the newest)."""
    if wanted == live != 0:
        raise MessageTrackingError(
            f"Publication {wanted} is already live.",
            "Nothing was changed; `message-tracking status` says what is kept.",
        )
    found: int | None = fetch_all(
        connection,
        """
        select max(publication_id) from ops.publications
        where
            is_kept and status = 'published'
            and publication_id < %s
            and publication_id = coalesce(%s, publication_id)
        """,
        (live, wanted),
    )[0][0]
    if found is None:
        name = f"Publication {wanted}" if wanted is not None else f"A publication before the live one ({live})"
        raise MessageTrackingError(
            f"{name} cannot be shown: none is kept.", "`message-tracking status` and marts.publications say which are."
        )
    return found


def shell_holder() -> str:
    """Name who builds by hand on this machine."""
    return f"{SHELL_HOLDER}{socket.gethostname()}"


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
            select publication_id, from_position, to_position, is_full
            from ops.publications where publication_id = %s and holder = %s
            """,
            (candidate, holder),
        )
        row = cursor.fetchone()
    if row is not None:
        return Candidate(*row)
    _raise_if_alive(connection, candidate)
    return None


def _keep_by_session(session: Connection, candidate: int) -> None:
    """Show everybody that the holder lives for as long as this session does. HeldError where another one does so."""
    # The lock outlasts the transaction, so whoever sees the candidate finds it.
    if not fetch_all(session, "select pg_try_advisory_lock(%s, %s)", (_HOLDER_LOCK, candidate))[0][0]:
        raise _held(session, candidate)


def _undo_left_behind(connection: Connection, live: int, candidate: int) -> None:
    """Close a candidate whose holder is gone and undo it."""
    _close(connection, candidate, "abandoned", "its holder is gone")
    with connection.cursor() as cursor:
        cursor.execute("select ops.undo_newer_than(%s)", (live,))


def _raise_if_alive(connection: Connection, candidate: int) -> None:
    if _is_alive(connection, candidate):
        raise _held(connection, candidate)


def _is_alive(connection: Connection, candidate: int) -> bool:
    """Whether the candidate's holder lives: by its session where it has one, else by its lease."""
    rows = fetch_all(
        connection,
        """
        select case
            when has_session then exists (
                select from pg_locks
                where
                    locktype = 'advisory' and granted
                    and database = (select oid from pg_database where datname = current_database())
                    and (classid::bigint, objid::bigint, objsubid) = (%s, publication_id, 2)
            )
            else lease_until > clock_timestamp()
        end
        from ops.publications where publication_id = %s
        """,
        (_HOLDER_LOCK, candidate),
    )
    return bool(rows and rows[0][0])


def _raise_unless_by_hand(connection: Connection, candidate: int) -> None:
    """Let a shell have what `message-tracking build` left open, and what nobody holds any more."""
    by_hand = fetch_all(
        connection,
        "select not has_session and starts_with(holder, %s) from ops.publications where publication_id = %s",
        (SHELL_HOLDER, candidate),
    )
    if by_hand != [(True,)]:
        _raise_if_alive(connection, candidate)


def _held(connection: Connection, candidate: int | None) -> HeldError:
    with connection.cursor() as cursor:
        cursor.execute(
            "select holder, opened_at, has_session, lease_until from ops.publications where publication_id = %s",
            (candidate,),
        )
        row = cursor.fetchone()
    if row is None:
        return HeldError("Another session is opening or publishing a candidate.", "Try again in a moment.")
    holder, opened_at, has_session, lease_until = row
    if has_session:
        hint = "Wait for it: the candidate is free when that process ends."
    else:
        verb = "message-tracking abandon" + ("" if holder.startswith(SHELL_HOLDER) else " --force")
        hint = (
            f"Wait for it, or if it died: its lease ends at {lease_until:%H:%M:%S} UTC unless it is renewed, "
            f"and `{verb}` gives it up at once."
        )
    return HeldError(
        f"A build is going on: {holder} has held candidate {candidate} since {opened_at:%Y-%m-%d %H:%M:%S} UTC.", hint
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
            "select publication_id, event_count, is_full from ops.publications where publication_id = %s",
            (publication_id,),
        )
        row = cursor.fetchone()
    assert row is not None  # noqa: S101  (the caller has just read or written it)
    return Publication(*row)
