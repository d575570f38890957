"""Loads that no candidate has taken in yet."""

from contextlib import closing

from message_tracking.warehouse import Warehouse, fetch_all


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
