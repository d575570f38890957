"""Audit of source_freshness: how far each server was read, and what is missing."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="source_freshness",
    meta={"schema": "marts"},
    expectations=[
        structure("source", "server", "newest_event_at", "loaded_at", "gap_count", "rejected_count"),
        grain("source", "server", whole=True),
        never(
            "rejected_lines_are_kept",
            "Every line that the ledger counts as rejected is kept, byte for byte, until it is replayed.",
            """
            select rows.source, rows.server, rows.rejected_count
            from {batch} as rows
            where rows.rejected_count <> (
                select count(*)
                from raw.rejected_lines as lines
                inner join ops.file_ledger as loads on lines.load_id = loads.load_id
                inner join ops.sources as sources on loads.source_id = sources.source_id
                where
                    loads.kind = 'tracking_log' and sources.source = rows.source and loads.server = rows.server
                    and lines.replayed_by_load_id is null
            )
            """,
            whole=True,
        ),
        never(
            "no_ids_are_missing",
            "Log ids run without gaps; missing ones were lost or purged before they were read (spec 2.5).",
            "select source, server, gap_count from {batch} where gap_count > 0",
            severity="warning",
            whole=True,
        ),
        never(
            "logs_are_read",
            "Each server's log had something new within the last day.",
            "select source, server, loaded_at from {batch} where loaded_at < now() - interval '1 day'",
            severity="warning",
            whole=True,
        ),
    ],
)
