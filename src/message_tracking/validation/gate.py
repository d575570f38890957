"""Run every suite and the dbt tests on the open candidate and record each result in ops, with all failing keys."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from message_tracking.building import Report, read_manifest, run_dbt
from message_tracking.settings import Settings
from message_tracking.validation.records import CheckResult, Records, SuiteRun
from message_tracking.validation.verdict import DBT_SUITE, Verdict, read_verdict, suite_digests
from message_tracking.warehouse import Warehouse

DBT_TEST_COMMAND = ("test", "--exclude-resource-type", "unit_test")


def validate(warehouse: Warehouse, settings: Settings, candidate_id: int, report: Report = print) -> Verdict:
    """Judge the open candidate: dbt tests and every suite, recorded in ops; Data Docs written. Safe to repeat.

    Raises HeldError where the candidate is not the open one.
    """
    with closing(warehouse.connect("validate")) as connection:
        records = Records.of_open_candidate(connection, candidate_id)
        # Importing Great Expectations takes seconds, so only who validates pays for it.
        from message_tracking.validation.running import run_suites  # noqa: PLC0415

        run_dbt_tests(records, warehouse, settings, report)
        run_suites(records, warehouse, settings, report)
        return read_verdict(connection, settings, candidate_id)


def run_dbt_tests(records: Records, warehouse: Warehouse, settings: Settings, report: Report) -> None:
    """Run and record the dbt tests. Raises MessageTrackingError where dbt does not come to its end."""
    report("dbt tests")
    digest, started_at = suite_digests(settings)[DBT_SUITE], datetime.now(UTC)
    results = run_dbt(warehouse, settings, DBT_TEST_COMMAND, records.candidate_id, report)
    nodes = read_manifest(settings)["nodes"]
    tests = [node["name"] for node in nodes.values() if node["resource_type"] == "test"]
    records.add(
        SuiteRun(DBT_SUITE, digest, started_at, tests),
        [_dbt_result(result, nodes[result["unique_id"]]) for result in results],
    )


def _dbt_result(result: dict[str, Any], node: dict[str, Any]) -> CheckResult:
    status = result["status"]
    tested = node.get("attached_node") or next(iter(node["depends_on"]["nodes"]), node["unique_id"])
    return CheckResult(
        relation=tested.rsplit(".", 1)[-1],
        check=node["name"],
        severity="warning" if status == "warn" else "critical",
        is_success=status == "pass",
        message=result.get("message") or status,
        key_query=node.get("compiled_code") if status in {"fail", "warn"} else None,
    )
