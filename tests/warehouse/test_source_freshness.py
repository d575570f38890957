"""How far each server was read, in `ops` and in `message-tracking status`; test_golden.py compares the mart with it."""

from message_tracking.status import status_report
from message_tracking.warehouse import fetch_all

LEDGER = """
    insert into ops.sources (source) values ('campaign');
    insert into ops.file_ledger (
        source_id, file_name, accepted_count, position, kind, server, status, rejected_count, newest_event_at, pulled_at
    )
    select
        sources.source_id, 'file', - loads.rejected_count,
        case loads.status when 'loaded' then nextval('ops.load_position') end, loads.*
    from ops.sources, (values
        ('tracking_log', 'edge', 'loaded', 1, timestamptz '2026-01-05 10:00Z', timestamptz '2026-01-05 11:00Z'),
        ('tracking_log', 'edge', 'loaded', 2, '2026-01-05 09:00Z', '2026-01-05 12:00Z'),
        -- a replay
        ('tracking_log', 'edge', 'loaded', -1, '2026-01-04 10:00Z', '2026-01-05 13:00Z'),
        ('tracking_log', 'edge', 'failed', 50, '2026-01-06 10:00Z', '2026-01-06 11:00Z'),
        ('deliveries', '', 'loaded', 0, null, '2026-01-06 11:00Z'),
        ('tracking_log', 'new', 'loaded', 0, null, '2026-01-05 11:00Z')
    ) as loads (kind, server, status, rejected_count, newest_event_at, pulled_at);
    insert into ops.id_ranges (source_id, server, prefix, loaded_ids, other_ids)
    select sources.source_id, 'edge', ranges.*
    from ops.sources, (values
        -- 2, 3 and 4 are missing, 5 was rejected
        ('a', int8multirange '{[0,2),[6,9)}', int8multirange '{[5,6)}'),
        -- 1 is missing
        ('b', '{[0,1),[2,3)}', '{}')
    ) as ranges (prefix, loaded_ids, other_ids);
"""


def test_lag_and_gaps_are_shown_for_each_server(warehouse, connection):
    with connection, connection.cursor() as cursor:
        cursor.execute(LEDGER)
    rows = fetch_all(
        connection,
        """
        select
            source, server, gap_count, rejected_count, newest_event_at::text, loaded_at::text,
            lag_seconds = extract(epoch from now() - newest_event_at)
        from ops.source_freshness order by server
        """,
    )
    assert rows == [
        ("campaign", "edge", 4, 2, "2026-01-05 10:00:00+00", "2026-01-05 12:00:00+00", True),
        ("campaign", "new", 0, 0, None, "2026-01-05 11:00:00+00", None),
    ]
    connection.rollback()
    said = status_report(warehouse)
    assert "campaign/new: newest event never, read " in said
    assert "4 ids missing, 2 lines rejected" in said
    (edge,) = [line for line in said.splitlines() if "campaign/edge:" in line]
    assert "newest event 2026-01-05 10:00:00 UTC (" in edge
    assert edge.count(" h ago") == 2
