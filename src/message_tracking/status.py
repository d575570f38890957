"""What `message-tracking status` says."""

from datetime import UTC, datetime

from message_tracking.warehouse import Connection, Warehouse, fetch_all


def status_report(warehouse: Warehouse) -> str:
    """Describe the live publication, the last runs, the build's holder, and each server's lag, gaps and rejects."""
    connection = warehouse.connect("status")
    try:
        return "\n".join(
            [*_publication_lines(connection), "", *_server_lines(connection), *_refused_file_lines(connection)]
        )
    finally:
        connection.close()


def _publication_lines(connection: Connection) -> list[str]:
    live, candidate = fetch_all(
        connection, "select live_publication, candidate_publication from ops.publication_state"
    )[0]
    lines = [f"Live publication: {live or 'none yet'}"]
    if candidate is not None:
        holder, opened_at, lease_until = fetch_all(
            connection,
            "select holder, opened_at, lease_until from ops.publications where publication_id = %s",
            (candidate,),
        )[0]
        lines.append(
            f"Candidate {candidate}: held by {holder} since {_time(opened_at)}, lease until {_time(lease_until)}"
        )
    lines.append("Last runs:")
    lines += [
        f"  {number:>6}  {status:<11} {_time(opened_at)}  {event_count} events  {verdict}"
        for number, status, opened_at, event_count, verdict in fetch_all(
            connection,
            """
            select publication_id, status, opened_at, event_count, verdict
            from ops.publications order by publication_id desc limit 5
            """,
        )
    ]
    return lines


def _server_lines(connection: Connection) -> list[str]:
    rows = fetch_all(
        connection,
        """
        select source, server, newest_event_at, loaded_at, gap_count, rejected_count
        from ops.source_freshness
        order by source, server
        """,
    )
    if not rows:
        return ["No tracking log was read yet."]
    return [
        "Tracking servers:",
        *(
            f"  {source}/{server}: newest event {_aged(newest)}, read {_ago(loaded)}, "
            f"{gaps} ids missing, {rejected} lines rejected"
            for source, server, newest, loaded, gaps, rejected in rows
        ),
    ]


def _refused_file_lines(connection: Connection) -> list[str]:
    rows = fetch_all(
        connection,
        """
        select sources.source, loads.kind, loads.server, loads.file_name, loads.error
        from ops.file_ledger as loads
        inner join ops.sources as sources on loads.source_id = sources.source_id
        where
            loads.status = 'failed'
            and not exists (
                select from ops.file_ledger as later
                where
                    (later.source_id, later.kind, later.server, later.file_name)
                    = (loads.source_id, loads.kind, loads.server, loads.file_name)
                    and later.load_id > loads.load_id
            )
        order by loads.load_id
        """,
    )
    if not rows:
        return []
    return [
        "",
        "Refused files:",
        *(f"  {source}/{server or kind}/{name}: {error}" for source, kind, server, name, error in rows),
    ]


def _time(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else "never"


def _aged(instant: datetime | None) -> str:
    return f"{_time(instant)} ({_ago(instant)})" if instant else "never"


def _ago(instant: datetime) -> str:
    seconds = int((datetime.now(UTC) - instant).total_seconds())
    age = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
    return f"{age} ago"
