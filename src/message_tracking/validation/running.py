"""Run the suites with Great Expectations. Importing this takes seconds, so only who validates pays for it."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import great_expectations as gx
from great_expectations.data_context import AbstractDataContext
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.datasource.fluent import PostgresDatasource
from great_expectations.datasource.fluent.interfaces import TestConnectionError

from message_tracking.building import Report
from message_tracking.settings import Settings
from message_tracking.validation.records import CheckResult, Records, SuiteRun
from message_tracking.validation.rules import look_at
from message_tracking.validation.suites import check_name, load_suites
from message_tracking.validation.verdict import suite_digests
from message_tracking.warehouse import PIPELINE_ROLE, Warehouse


def run_suites(records: Records, warehouse: Warehouse, settings: Settings, report: Report) -> None:
    """Run and record every suite of the project, and write Data Docs."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    url = warehouse.url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+psycopg2://", 1)
    separator = "&" if "?" in url else "?"
    source = context.data_sources.add_postgres(
        "warehouse", connection_string=f"{url}{separator}options={quote(f'-c role={PIPELINE_ROLE} -c timezone=UTC')}"
    )
    execution_engine, engine = source.get_execution_engine(), source.get_engine()
    digests, scope = suite_digests(settings), records.scope()
    try:
        for relation, suite in load_suites(settings).items():
            report(f"suite {relation}")
            look_at(suite, scope)
            checks = [check_name(expectation) for expectation in suite.expectations]
            run = SuiteRun(relation, digests[relation], datetime.now(UTC), checks)
            records.add(run, _suite_results(context, source, relation, suite))
    finally:
        # Else its sessions stay open for as long as the process lives.
        execution_engine.close()
        engine.dispose()
    _write_data_docs(context, settings)


def _suite_results(
    context: AbstractDataContext, source: PostgresDatasource, relation: str, suite: gx.ExpectationSuite
) -> list[CheckResult]:
    schema = (suite.meta or {}).get("schema", "audit")
    try:
        asset = source.add_table_asset(relation, table_name=relation, schema_name=schema)
    except TestConnectionError as error:
        return [
            _not_checked(relation, check_name(one), one.description or "", str(error)) for one in suite.expectations
        ]
    batch = asset.add_batch_definition_whole_table("all")
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=relation, data=batch, suite=context.suites.add(suite))
    )
    result = definition.run(result_format="SUMMARY")
    return [_suite_result(f"{schema}.{relation}", relation, one) for one in result.results]


def _suite_result(table: str, relation: str, result: Any) -> CheckResult:
    config = result.expectation_config
    check, message = check_name(config), config.description or config.type
    if failed_to_run := _exception_message(result.exception_info or {}):
        return _not_checked(relation, check, message, failed_to_run)
    query = config.kwargs.get("unexpected_rows_query")
    missing_columns = ((result.result or {}).get("details") or {}).get("mismatched", {}).get("missing", [])
    return CheckResult(
        relation=relation,
        check=check,
        severity=str(getattr(config.severity, "value", config.severity)),
        is_success=bool(result.success),
        message=message,
        key_query=query.replace("{batch}", table) if query else None,
        keys=[{"missing_column": column} for column in missing_columns],
    )


def _not_checked(relation: str, check: str, message: str, reason: str) -> CheckResult:
    """A check that cannot be run is critical, whatever it would find."""
    return CheckResult(relation, check, "critical", False, f"{message} It could not be checked: {reason}")


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
