"""What a tracking server deletes unread: it keeps so many megabytes of logs and then drops the oldest (spec §2.6)."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)

from message_tracking.errors import UnreadableFileError
from message_tracking.sources import Source
from message_tracking.warehouse import Warehouse, fetch_all

ALARM_SHARE = 0.5
"""Of what a server keeps; with more unread, the next load may come too late."""

_RECENT = """
    with pulls as (
        select server, to_offset - from_offset as byte_count, newest_event_at,
            max(newest_event_at) over (partition by server) as read_until
        from ops.file_ledger
        inner join ops.sources using (source_id)
        where source = %s and kind = 'tracking_log' and status = 'loaded' and newest_event_at is not null
    ), recent as (
        select *, min(newest_event_at) over (partition by server) as began_at
        from pulls
        where newest_event_at > read_until - interval '7 days'
    )
    select server, read_until,
        coalesce(sum(byte_count) filter (where newest_event_at > began_at), 0)::bigint,
        extract(epoch from read_until - min(began_at))::float8
    from recent
    where server = %s or %s = ''
    group by server, read_until
    order by server
"""


def alarm(source: Source, server: str, unread_bytes: int, hours: float) -> str | None:
    """Say that a server had dangerously much unread when its load began; None where it had not.

    `hours` is the time in which that came together.
    """
    limit = source.most_log_megabytes * 1_000_000
    if unread_bytes <= ALARM_SHARE * limit:
        return None
    each = f", which takes {limit * hours / unread_bytes:.1f} hours at this rate" if hours > 0 else ""
    return (
        f"{source.name}/{server}: {unread_bytes / 1e6:,.0f} MB were unread when the load began. From "
        f"{source.most_log_megabytes:,} MB on (most_log_megabytes){each}, the server deletes its oldest logs, "
        "read or not: load more often."
    )


def forecast(connection: Connection, source: Source, server: str) -> str:
    """Say for a server, or with '' for each that was read before, from when on it deletes what was not read.

    It is reckoned from the events of the last seven days that were read. '' where there were too few, and of other
    senders than Campaign, who delete nothing.
    """
    if source.has_dialect:
        return ""
    sentences = []
    for name, read_until, byte_count, seconds in fetch_all(connection, _RECENT, (source.name, server, server)):
        if byte_count and seconds:
            lasts = timedelta(seconds=source.most_log_megabytes * 1_000_000 * seconds / byte_count)
            pace = byte_count / seconds * 3600 / 1e6
            sentences.append(
                f"{source.name}/{name} was read up to {_told(read_until)}; at {pace:,.1f} MB an hour it deletes unread "
                f"logs from {_told(read_until + lasts)} on."
            )
    connection.rollback()
    return " ".join(sentences)


@contextmanager
def forecasting(warehouse: Warehouse, source: Source, server: str = "") -> Iterator[None]:
    """Add to the failure of reaching a server (of all of a source, with '') what is lost from when on."""
    try:
        yield
    except UnreadableFileError as error:
        with closing(warehouse.connect("forecast")) as connection:
            told = forecast(connection, source, server)
        raise UnreadableFileError(f"{error.what} {told}".rstrip(), error.hint) from error


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
