"""Run every suite and the dbt tests on the open candidate and record each result in ops, with all failing keys."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from message_tracking.building import Report, nodes_without_result, read_manifest, run_dbt
from message_tracking.errors import HeldError
from message_tracking.settings import Settings
from message_tracking.validation.verdict import DBT_SUITE, Verdict, read_verdict
from message_tracking.warehouse import PIPELINE_ROLE, Connection, Cursor, Warehouse

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

DBT_TEST_COMMAND = ("test", "--exclude-resource-type", "unit_test")


@dataclass(frozen=True)
class CheckResult:
    """One verdict of one check; `key_query`, a query of this project, gives the keys of all failing rows."""

    relation: str
    check: str
    severity: str
    is_success: bool
    failing_count: int
    message: str
    key_query: str | None = None


def validate(warehouse: Warehouse, settings: Settings, candidate_id: int, report: Report = print) -> Verdict:
    """Judge the open candidate: dbt tests and every suite, recorded in ops; Data Docs written. Safe to repeat.

    Raises HeldError where the candidate is not the open one.
    """
    connection = warehouse.connect("validate")
    try:
        records = Records(connection, candidate_id, _build_count(connection, candidate_id))
        report("dbt tests")
        records.add(DBT_SUITE, datetime.now(UTC), _run_dbt_tests(warehouse, settings, candidate_id, report))
        _run_suites(records, warehouse, settings, report)
        return read_verdict(connection, settings, candidate_id)
    finally:
        connection.close()


def _build_count(connection: Connection, candidate_id: int) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute("select candidate_publication from ops.publication_state")
        row = cursor.fetchone()
        if row is None or row[0] != candidate_id:
            raise HeldError(
                f"Candidate {candidate_id} is not the open one, so it cannot be judged.",
                "Open one with `message-tracking build`, or run the whole pipeline.",
            )
        cursor.execute("select count(*) from ops.model_builds where publication_id = %s", (candidate_id,))
        return int((cursor.fetchone() or (0,))[0])


def _run_dbt_tests(warehouse: Warehouse, settings: Settings, candidate_id: int, report: Report) -> list[CheckResult]:
    results = run_dbt(warehouse, settings, DBT_TEST_COMMAND, candidate_id, report)
    nodes = read_manifest(settings)["nodes"]
    missing = [
        {"unique_id": test, "status": "missing", "message": "dbt recorded no result of it"}
        for test in nodes_without_result(settings, results, {"test"})
    ]
    return [_dbt_result(result, nodes[result["unique_id"]]) for result in [*results, *missing]]


def _dbt_result(result: dict[str, Any], node: dict[str, Any]) -> CheckResult:
    status = result["status"]
    is_success = status == "pass"
    tested = node.get("attached_node") or next(iter(node["depends_on"]["nodes"]), node["unique_id"])
    return CheckResult(
        relation=tested.rsplit(".", 1)[-1],
        check=node["name"],
        severity="warning" if status == "warn" else "critical",
        is_success=is_success,
        failing_count=result.get("failures") or (0 if is_success else 1),
        message=result.get("message") or status,
        key_query=node.get("compiled_code") if status in {"fail", "warn"} else None,
    )


def _run_suites(records: "Records", warehouse: Warehouse, settings: Settings, report: Report) -> None:
    # Importing Great Expectations takes seconds, so only who validates pays for it.
    import great_expectations as gx  # noqa: PLC0415
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    from message_tracking.validation.suites import load_suites  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    url = warehouse.url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+psycopg2://", 1)
    separator = "&" if "?" in url else "?"
    source = context.data_sources.add_postgres(
        "warehouse", connection_string=f"{url}{separator}options={quote(f'-c role={PIPELINE_ROLE} -c timezone=UTC')}"
    )
    for relation, suite in load_suites(settings).items():
        report(f"suite {relation}")
        started_at = datetime.now(UTC)
        meta = suite.meta or {}
        schema = meta.get("schema", "audit")
        batch = source.add_table_asset(
            relation, table_name=relation, schema_name=schema
        ).add_batch_definition_whole_table("all")
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=relation, data=batch, suite=context.suites.add(suite))
        )
        result = definition.run(result_format="SUMMARY")
        checks = [_suite_result(f"{schema}.{relation}", relation, one) for one in result.results]
        records.add(relation, started_at, checks)
    _write_data_docs(context, settings)


def _suite_result(table: str, relation: str, result: Any) -> CheckResult:
    config = result.expectation_config
    found = result.result or {}
    query = config.kwargs.get("unexpected_rows_query")
    failed_to_run = _exception_message(result.exception_info or {})
    failing_count = int(found.get("observed_value") or 0) if query is not None and not failed_to_run else 0
    message = config.description or config.type
    if failed_to_run:
        message = f"{message} It could not be checked: {failed_to_run}"
    elif not result.success and config.type == "expect_table_columns_to_match_set":
        message = f"{message} Found: {', '.join(found.get('observed_value') or [])}."
    return CheckResult(
        relation=relation,
        check=(config.meta or {}).get("check", config.type),
        severity="critical" if failed_to_run else str(getattr(config.severity, "value", config.severity)),
        is_success=bool(result.success),
        failing_count=failing_count,
        message=message,
        key_query=query.replace("{batch}", table) if query and not result.success and not failed_to_run else None,
    )


def _exception_message(info: dict[str, Any]) -> str:
    """Say why a check could not be run, '' where it could: the reason stands at the top or by metric below it."""
    nested = [info, *(value for value in info.values() if isinstance(value, dict))]
    return "; ".join(" ".join(str(one["exception_message"]).split()) for one in nested if one.get("exception_message"))


def _write_data_docs(context: Any, settings: Settings) -> None:
    settings.data_docs.mkdir(parents=True, exist_ok=True)
    context.add_data_docs_site(
        site_name="local",
        site_config={
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(settings.data_docs),
            },
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    context.build_data_docs(site_names=["local"])


@dataclass(frozen=True)
class Records:
    """Writes what suites found on one build of a candidate."""

    connection: Connection
    candidate_id: int
    build_count: int

    def add(self, suite: str, started_at: datetime, results: Iterable[CheckResult]) -> None:
        """Record a suite that ran to its end, in one transaction."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("select ops.hold_candidate(%s)", (self.candidate_id,))
            cursor.execute(
                """
                insert into ops.check_runs (publication_id, suite, build_count, started_at)
                values (%s, %s, %s, %s)
                returning check_run_id
                """,
                (self.candidate_id, suite, self.build_count, started_at),
            )
            run_id = _returned(cursor)
            for result in results:
                _add_result(cursor, run_id, result)


def _add_result(cursor: Cursor, run_id: int, result: CheckResult) -> None:
    cursor.execute(
        """
        insert into ops.check_results (check_run_id, relation, check_name, severity, is_success, failing_count, message)
        values (%s, %s, %s, %s, %s, %s, %s)
        returning check_result_id
        """,
        (
            run_id,
            result.relation,
            result.check,
            result.severity,
            result.is_success,
            result.failing_count,
            result.message,
        ),
    )
    result_id = _returned(cursor)
    if result.key_query:
        # The query is one of this project's own checks, not a value from outside.
        key_query = result.key_query.replace("%", "%%")
        cursor.execute(
            f"insert into ops.failing_keys select %s, to_jsonb(failing) from ({key_query}) as failing",  # noqa: S608
            (result_id,),
        )


def _returned(cursor: Cursor) -> int:
    row = cursor.fetchone()
    assert row is not None  # noqa: S101  (an insert of one row returns it)
    return int(row[0])
