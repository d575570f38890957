"""Readers that read the published marts all the time, and what must be true of all they read."""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED, ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.extensions import connection as Connection  # noqa: N812
from tests.warehouse.conftest import VERSIONED_MARTS

from message_tracking.migrating import login_name

ANALYSTS_SCHEMA = f"dev_{login_name('tracking_analyst')}"

LOGGED_MS = 10
"""Lock waits of readers that last so long are in the server's log, with how long they lasted."""


def of_live(figures: str) -> str:
    """A query that gives figures and, before them in every row, the number of the publication that is live."""
    return f"""
        select live.publication_id, figures.*
        from (select publication_id from marts.publications where is_live) as live
        cross join ({figures}) as figures
    """


ALL_DELIVERIES = """
    with events as (
        select delivery_id, count(*) as event_count, sum(recipient_id) as recipients, max(occurred_at) as last_at
        from marts.tracking_events group by delivery_id
    ),
    buckets as (select delivery_id, sum(event_count) as bucket_count from marts.tracking_buckets group by delivery_id),
    clicks as (
        select delivery_id, sum(click_count) as click_count, count(*) as link_count
        from marts.url_clicks group by delivery_id
    )
    select *
    from marts.deliveries
    inner join marts.delivery_indicators using (delivery_id)
    left join events using (delivery_id)
    left join buckets using (delivery_id)
    left join clicks using (delivery_id)
"""

NEWEST_DELIVERY = """
    with newest as (
        select delivery_id, label, last_event_at, success_count
        from marts.deliveries order by last_event_at desc nulls last, delivery_id limit 1
    )
    select
        newest.*,
        total_open_count,
        total_click_count,
        (select (count(*), sum(recipient_id)) from marts.tracking_events where delivery_id = newest.delivery_id)::text,
        (select sum(event_count) from marts.tracking_buckets where delivery_id = newest.delivery_id) as bucket_count,
        (select sum(click_count) from marts.url_clicks where delivery_id = newest.delivery_id) as click_count,
        (select sum(click_count) from marts.url_label_clicks where delivery_id = newest.delivery_id) as label_click_count,
        (select sum(seconds_to_percent) from marts.tracking_statistics where delivery_id = newest.delivery_id) as seconds,
        (
            select (sum(open_count), sum(click_count), count(*) filter (where has_opened))
            from marts.message_engagement where delivery_id = newest.delivery_id
        )::text as engagement
    from newest
    inner join marts.delivery_indicators using (delivery_id)
"""

SUMMED_UP = (
    "select count(*), max(occurred_at), sum(recipient_id) from marts.tracking_events",
    "select count(*), sum(event_count) from marts.tracking_buckets",
    "select delivery_id, url_id, click_count, rank from marts.url_clicks",
    "select delivery_id, total_open_count, platform_reactivity_rate from marts.delivery_indicators",
    "select delivery_id, label, last_event_at from marts.deliveries",
)

ANALYSTS_VIEWS = {
    "engaged": """
        select delivery_id, message_id, recipient_id, recipients.email_format, open_count, click_count
        from marts.message_engagement left join marts_private.recipients using (recipient_id)
    """,
    "clicked": """
        select events.*, clicks.rank
        from marts.tracking_events as events
        left join marts.url_clicks as clicks using (delivery_id, url_id)
    """,
}

ANALYSIS = f"""
    select delivery_id, deliveries.label, message_count, open_count, formats, event_count, ranks
    from marts.deliveries
    left join (
        select delivery_id, count(*) as message_count, sum(open_count) as open_count, sum(email_format) as formats
        from {ANALYSTS_SCHEMA}.engaged group by delivery_id
    ) as engaged using (delivery_id)
    left join (
        select delivery_id, count(*) as event_count, sum(rank) as ranks
        from {ANALYSTS_SCHEMA}.clicked group by delivery_id
    ) as clicked using (delivery_id)
"""


class Kind(NamedTuple):
    """What a reader does over and over: its statements, in one `repeatable read` transaction where there are several."""

    name: str
    group: str
    figures: tuple[str, ...]
    pins: bool = False
    """Whether each read is of a publication that is pinned, any of those that are kept."""

    @property
    def application_name(self) -> str:
        """By which the server knows sessions of such readers."""
        return f"reader of {self.name}"


KINDS = (
    Kind("all deliveries", "bi_reader", (ALL_DELIVERIES,)),
    Kind("the newest delivery", "bi_reader", (NEWEST_DELIVERY,)),
    Kind("several statements", "tracking_analyst", SUMMED_UP),
    Kind("views of analysts", "tracking_analyst", (ANALYSIS,)),
    Kind("a pinned publication", "bi_reader", (NEWEST_DELIVERY, *SUMMED_UP[1:]), pins=True),
)


class Reading(NamedTuple):
    """What a reader saw: of which publication by its own account, a digest of the figures, and when (seconds)."""

    kind: Kind
    publication_id: int
    digest: str
    began_at: float
    ended_at: float


class Span(NamedTuple):
    """A publication, and the time in which it may have been live."""

    publication_id: int
    since: float
    until: float


@dataclass
class Readers:
    """What all readers saw and what went wrong, while they read and after."""

    readings: list[Reading] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@contextmanager
def readers(url_of: Callable[[str], str], kinds: Iterable[Kind] = KINDS, *, pause: float = 0.02) -> Iterator[Readers]:
    """Let one reader of each kind read over and over, each in a session of its own, with a pause after each read."""
    seen = Readers()
    stopped = threading.Event()
    threads = [threading.Thread(target=_keep_reading, args=(url_of, kind, seen, stopped, pause)) for kind in kinds]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _keep_reading(
    url_of: Callable[[str], str], kind: Kind, seen: Readers, stopped: threading.Event, pause: float
) -> None:
    try:
        with closing(
            psycopg2.connect(url_of(login_name(kind.group)), application_name=kind.application_name)
        ) as session:
            while not stopped.wait(pause):
                reading = read_pinned_at_random(session, kind) if kind.pins else read(session, kind)
                if reading:
                    seen.readings.append(reading)
    except Exception as error:
        seen.faults.append(f"{kind.application_name}: {error!r}")


def read(session: Connection, kind: Kind) -> Reading:
    """Read once. Raises AssertionError where the statements do not agree on what is live."""
    began_at = time.monotonic()
    numbers, digest = _figures(session, kind)
    assert len(numbers) == 1, f"{kind.name} read {sorted(numbers)} at once"
    return Reading(kind, numbers.pop(), digest, began_at, time.monotonic())


def read_pinned(session: Connection, kind: Kind, publication_id: int) -> Reading:
    """Read one publication, whichever is live."""
    began_at = time.monotonic()
    pin(session, publication_id)
    session.commit()
    _, digest = _figures(session, kind)
    return Reading(kind, publication_id, digest, began_at, time.monotonic())


def read_pinned_at_random(session: Connection, kind: Kind) -> Reading | None:
    """Read any of the kept publications; None where it was let go of before it could be read."""
    kept = "select publication_id from marts.publications where is_kept order by random() limit 1"
    with session, session.cursor() as cursor:
        cursor.execute(kept)
        ((publication_id,),) = cursor.fetchall()
    try:
        return read_pinned(session, kind, publication_id)
    except errors.InvalidParameterValue:
        with session, session.cursor() as cursor:
            cursor.execute("select is_kept from marts.publications where publication_id = %s", (publication_id,))
            assert cursor.fetchall() == [(False,)], f"{publication_id} is kept and cannot be read"
        return None


def pin(session: Connection, publication_id: int | str) -> None:
    """Let the session see one publication, from the end of this transaction on or within it."""
    with session.cursor() as cursor:
        cursor.execute("select set_config('message_tracking.publication', %s, false)", (str(publication_id),))


def _figures(session: Connection, kind: Kind) -> tuple[set[int], str]:
    """The numbers of what was live and a digest of everything else that the statements give."""
    session.set_session(
        isolation_level=ISOLATION_LEVEL_REPEATABLE_READ if len(kind.figures) > 1 else ISOLATION_LEVEL_READ_COMMITTED
    )
    numbers = set()
    digest = hashlib.md5(usedforsecurity=False)
    try:
        for number, figures in enumerate(kind.figures):
            # As BI tools do, the rows are fetched in parts while the statement goes on.
            with session.cursor(f"figures_{number}") as cursor:
                cursor.itersize = 500
                cursor.execute(of_live(figures))
                rows = list(cursor)
            numbers |= {publication_id for publication_id, *_ in rows}
            digest.update(repr(sorted(repr(row) for _, *row in rows)).encode())
    finally:
        session.rollback()
    return numbers, digest.hexdigest()


def mixtures(
    readings: Iterable[Reading], spans: Collection[Span], expected: Mapping[tuple[Kind, int], str]
) -> Iterator[str]:
    """Tell each reading that is not exactly one publication, or that of one which was not live meanwhile."""
    for kind, publication_id, digest, began_at, ended_at in readings:
        what = f"{kind.application_name} read publication {publication_id}"
        if expected.get((kind, publication_id)) != digest:
            yield f"{what} with figures that it does not have"
        elif not kind.pins and not any(
            publication_id == span.publication_id and began_at <= span.until and span.since <= ended_at
            for span in spans
        ):
            yield f"{what} when it was not live"


def log_lock_waits(administer: Callable[..., None], database: str) -> None:
    """Let the server log how long sessions of readers' logins wait for locks in this database, from LOGGED_MS on."""
    for group in {kind.group for kind in KINDS}:
        for setting in ("log_lock_waits = on", f"deadlock_timeout = '{LOGGED_MS}ms'"):
            administer(
                sql.SQL("alter role {} in database {} set " + setting).format(
                    sql.Identifier(login_name(group)), sql.Identifier(database)
                )
            )


def lock_waits(log: Path, database: str) -> list[float]:
    """How long readers of this database waited for locks, in milliseconds: each wait of more than LOGGED_MS.

    One that never came to its end counts as endless.
    """
    waiting: dict[str, float] = {}
    waits = []
    line = re.compile(
        rf"\[(\d+)\] \S+@{re.escape(database)} reader of .*process \d+ (still waiting|acquired) .* after ([\d.]+) ms"
    )
    for process, event, milliseconds in line.findall(log.read_text(errors="replace")):
        if event == "acquired":
            waiting.pop(process, None)
            waits.append(float(milliseconds))
        else:
            waiting[process] = float("inf")
    return [*waits, *waiting.values()]


def digests(session: Connection, columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Count and digest of all rows that the session sees in each relation, of the columns given."""
    found = {}
    with session.cursor() as cursor:
        for relation, names in columns.items():
            cursor.execute(
                sql.SQL(
                    "select count(*) || ' ' || coalesce(sum(hashtextextended(row({})::text, 0)), 0) from {}"
                ).format(sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(*relation.split(".")))
            )
            ((found[relation],),) = cursor.fetchall()
    return found


def versioned_columns(session: Connection) -> dict[str, list[str]]:
    """The published relations that have versions, with their columns."""
    with session, session.cursor() as cursor:
        cursor.execute(
            f"""
            select format('%s.%s', nspname, pg_class.relname), array_agg(attname::text order by attnum)
            from pg_class
            inner join pg_namespace on relnamespace = pg_namespace.oid
            inner join pg_attribute on attrelid = pg_class.oid and attnum > 0
            where (nspname, pg_class.relname) in ({VERSIONED_MARTS})
            group by nspname, pg_class.relname
            """
        )
        return dict(cursor.fetchall())
