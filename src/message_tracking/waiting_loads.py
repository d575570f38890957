"""Loads that no candidate has taken in yet, and loads that are going on."""

import time
from contextlib import closing
from datetime import datetime, timedelta

from message_tracking.building import Report
from message_tracking.warehouse import Connection, Warehouse, fetch_all


def has_waiting_loads(warehouse: Warehouse, source: str, server: str = "") -> bool:
    """Say whether rows were accepted that no candidate has taken in; one that was abandoned does not count.

    With a server: tracking-log lines of that server. Without: reference data of the source.
    """
    with closing(warehouse.connect("waiting loads")) as connection:
        rows = fetch_all(
            connection,
            """
            select exists (
                select from ops.file_ledger
                join ops.sources using (source_id)
                where
                    sources.source = %s
                    and file_ledger.server = %s
                    and (file_ledger.kind = 'tracking_log') = %s
                    and file_ledger.accepted_count > 0
                    and file_ledger.position > (
                        select coalesce(max(to_position), 0) from ops.publications where status <> 'abandoned'
                    )
            )
            """,
            (source, server, server != ""),
        )
    return bool(rows[0][0])


def unpublished_since(warehouse: Warehouse) -> datetime | None:
    """When the oldest rows were accepted that the live publication lacks; None where it has all."""
    with closing(warehouse.connect("waiting loads")) as connection:
        rows = fetch_all(
            connection,
            """
            select min(loads.pulled_at)
            from ops.file_ledger as loads
            cross join ops.publication_state
            left join ops.publications as live on publication_state.live_publication = live.publication_id
            where loads.accepted_count > 0 and loads.position > coalesce(live.to_position, 0)
            """,
        )
    oldest: datetime | None = rows[0][0]
    return oldest


def wait_for_running_loads(warehouse: Warehouse, patience: timedelta, report: Report) -> None:
    """Wait until the loads that are going on now have ended, at most that long: one publication can take in all.

    Loads that begin meanwhile are not waited for.
    """
    deadline = time.monotonic() + patience.total_seconds()
    with closing(warehouse.connect("waiting for loads")) as connection:
        connection.autocommit = True
        running = _running_loads(connection)
        if running:
            report(f"Waiting for {', '.join(sorted(set(running.values())))}")
        awaited = set(running)
        while awaited:
            if time.monotonic() > deadline:
                report(f"Not waiting any longer than {patience}: the next publication takes in what they bring.")
                return
            time.sleep(0.2)
            awaited &= _running_loads(connection).keys()


def _running_loads(connection: Connection) -> dict[int, str]:
    """Name the sessions that load, by server process."""
    query = (
        "select pid, application_name from pg_stat_activity "
        "where datname = current_database() and application_name like 'message-tracking load %%'"
    )
    return dict(fetch_all(connection, query))
