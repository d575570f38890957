"""Audit of publications: what was published, as ops recorded it."""

from great_expectations import ExpectationSuite

from message_tracking.validation.rules import grain, never, structure

SUITE = ExpectationSuite(
    name="publications",
    meta={"schema": "marts"},
    expectations=[
        structure("publication_id", "published_at", "verdict", "event_count", "is_live"),
        grain("publication_id", whole=True),
        never(
            "one_is_live",
            "At most one publication is live, and it was published.",
            """
            select publication_id from (
                select publication_id, status, count(*) over () as live_count from {batch} where is_live
            ) as live
            where live_count > 1 or status <> 'published'
            """,
            whole=True,
        ),
        never(
            "published_events_were_loaded",
            "A publication took in as many events as the ledger says were loaded in its window.",
            """
            select rows.publication_id, rows.event_count
            from {batch} as rows
            inner join ops.publications as records on rows.publication_id = records.publication_id
            where rows.status = 'published' and rows.event_count <> (
                select coalesce(sum(loads.event_count), 0)
                from ops.file_ledger as loads
                where
                    loads.kind = 'tracking_log'
                    and loads.position <= records.to_position
                    and (records.is_full or loads.position > records.from_position)
            )
            """,
            whole=True,
        ),
    ],
)
