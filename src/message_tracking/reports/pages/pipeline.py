"""The state of the pipeline: how far the logs were read, what was rejected, and what the gate said of publications."""

from typing import Any
from urllib.parse import quote

from message_tracking.reports.reading import Reading, Row
from message_tracking.reports.tables import Column, Kind, Table

MOST_ROWS = 50
"""The newest of each list that a page shows."""
PUBLICATION_COUNT = 20
PUBLISHING_DAG = "publish_tracking_marts"
"""A publication that a DAG run builds is held by `publish_tracking_marts <run id>`."""

FRESHNESS = "select * from ops.source_freshness order by source, server"
FILES = """
    select
        sources.source, ledger.kind, ledger.server, ledger.file_name,
        sum(ledger.line_count)::bigint as line_count,
        sum(ledger.rejected_count)::bigint as rejected_count,
        max(ledger.pulled_at) as pulled_at
    from ops.file_ledger as ledger
    inner join ops.sources as sources on ledger.source_id = sources.source_id
    group by sources.source, ledger.kind, ledger.server, ledger.file_name
    having sum(ledger.rejected_count) > 0
    order by max(ledger.pulled_at) desc, ledger.file_name
    limit %(most)s
"""
# The lines themselves may name persons, so the page tells where they are and not what they say.
REASONS = """
    select distinct on (samples.reason)
        samples.reason, sources.source, ledger.file_name, samples.line_number,
        count(*) over (partition by samples.reason) as line_count
    from ops.file_ledger as ledger
    inner join ops.sources as sources on ledger.source_id = sources.source_id
    cross join jsonb_to_recordset(ledger.sample_rejects) as samples (reason text, line_number bigint)
    where ledger.sample_rejects <> '[]'
    order by samples.reason, ledger.pulled_at desc, samples.line_number
"""
MESSAGES = """
    select sources.source, ledger.file_name, said.kind, said.message, ledger.pulled_at
    from ops.file_ledger as ledger
    inner join ops.sources as sources on ledger.source_id = sources.source_id
    cross join lateral (
        select 'Refused' as kind, ledger.error as message where ledger.status = 'failed'
        union all
        select 'Warning', warnings.message from jsonb_array_elements_text(ledger.warnings) as warnings (message)
    ) as said
    where ledger.status = 'failed' or ledger.warnings <> '[]'
    order by ledger.pulled_at desc, ledger.file_name, said.kind, said.message
    limit %(most)s
"""
PUBLICATIONS = """
    select
        publications.publication_id,
        case
            when state.live_publication = publications.publication_id then 'live' else publications.status
        end as status,
        publications.event_count, publications.verdict, publications.opened_at, publications.published_at,
        publications.holder
    from ops.publications as publications
    cross join ops.publication_state as state
    order by publications.publication_id desc
    limit %(publication_count)s
"""
SUITES = """
    select
        runs.publication_id, runs.suite, runs.finished_at,
        count(results.check_result_id) as check_count,
        count(*) filter (where not results.is_success and results.severity = 'critical') as critical_count,
        count(*) filter (where not results.is_success and results.severity = 'warning') as warning_count,
        coalesce(sum(results.failing_count), 0)::bigint as failing_count
    from ops.check_runs as runs
    left join ops.check_results as results on runs.check_run_id = results.check_run_id
    group by runs.check_run_id
    order by runs.check_run_id desc
    limit %(most)s
"""
FAILURES = """
    select
        runs.publication_id, runs.suite, results.severity, results.relation, results.check_name,
        results.failing_count, results.message
    from ops.check_results as results
    inner join ops.check_runs as runs on results.check_run_id = runs.check_run_id
    where not results.is_success
    order by results.check_result_id desc
    limit %(most)s
"""

SOURCE, SERVER, FILE = (
    Column("source", "Source", Kind.CODE),
    Column("server", "Server", Kind.CODE),
    Column("file_name", "File"),
)
PUBLICATION = Column("publication_id", "Publication", Kind.CODE)
SUITE = Column("suite", "Suite", Kind.CODE)
FAILING = Column("failing_count", "Failing rows", Kind.COUNT)
READ = Column("pulled_at", "Read", Kind.INSTANT)

TABLES = (
    (
        "freshness",
        "Sources and servers",
        FRESHNESS,
        (
            SOURCE,
            SERVER,
            Column("newest_event_at", "Newest event", Kind.INSTANT),
            Column("lag_seconds", "Age", Kind.DURATION),
            Column("loaded_at", "Read", Kind.INSTANT),
            Column("gap_count", "Missing ids", Kind.COUNT),
            Column("rejected_count", "Rejected lines", Kind.COUNT),
        ),
    ),
    (
        "publications",
        "Publications",
        PUBLICATIONS,
        (
            PUBLICATION,
            Column("status", "State", Kind.CODE),
            Column("event_count", "Events", Kind.COUNT),
            Column("verdict", "Verdict"),
            Column("opened_at", "Opened", Kind.INSTANT),
            Column("published_at", "Published", Kind.INSTANT),
            Column("holder", "Built by", Kind.LINK),
        ),
    ),
    (
        "suites",
        "Verdicts of the gate",
        SUITES,
        (
            PUBLICATION,
            SUITE,
            Column("finished_at", "Judged", Kind.INSTANT),
            Column("check_count", "Checks", Kind.COUNT),
            Column("critical_count", "Critical failures", Kind.COUNT),
            Column("warning_count", "Warnings", Kind.COUNT),
            FAILING,
        ),
    ),
    (
        "failures",
        "Checks that failed",
        FAILURES,
        (
            PUBLICATION,
            SUITE,
            Column("severity", "Severity", Kind.CODE),
            Column("relation", "Relation"),
            Column("check_name", "Check"),
            FAILING,
            Column("message", "Message"),
        ),
    ),
    (
        "rejected",
        "Files with rejected lines",
        FILES,
        (
            SOURCE,
            Column("kind", "Kind", Kind.CODE),
            SERVER,
            FILE,
            Column("line_count", "Lines", Kind.COUNT),
            Column("rejected_count", "Rejected", Kind.COUNT),
            READ,
        ),
    ),
    (
        "reasons",
        "Reasons of rejected lines in refused files",
        REASONS,
        (
            Column("reason", "Reason", Kind.CODE),
            Column("line_count", "Sample lines", Kind.COUNT),
            SOURCE,
            Column("file_name", "For example in file"),
            Column("line_number", "Line", Kind.COUNT),
        ),
    ),
    (
        "messages",
        "Refused files and warnings",
        MESSAGES,
        (Column("kind", "What", Kind.CODE), SOURCE, FILE, Column("message", "Message"), READ),
    ),
)
"""The lists of the page: name, caption, query and columns."""


def report(reading: Reading, airflow: str | None) -> dict[str, Any]:
    """All lists. `airflow` is where Airflow is, whose DAG runs are linked then; None where it is not beside."""
    tables = [
        Table(name, caption, columns, reading.rows(query, most=MOST_ROWS, publication_count=PUBLICATION_COUNT))
        for name, caption, query, columns in TABLES
    ]
    for row in tables[1].rows:
        row["href"] = _dag_run(row, airflow)
    return {"tables": tables}


def _dag_run(publication: Row, airflow: str | None) -> str | None:
    """The address of the DAG run that built a publication."""
    dag, _, run = publication["holder"].partition(" ")
    if airflow is None or dag != PUBLISHING_DAG:
        return None
    return f"{airflow}/dags/{dag}/runs/{quote(run, safe='')}"
