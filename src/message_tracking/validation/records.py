"""Write what suites found into ops."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from message_tracking.errors import HeldError
from message_tracking.warehouse import Connection, Cursor


@dataclass(frozen=True)
class CheckResult:
    """One verdict of one check.

    The keys of all failing rows are what `key_query`, a query of this project, gives, or else `keys`.
    """

    relation: str
    check: str
    severity: str
    is_success: bool
    message: str
    key_query: str | None = None
    keys: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class SuiteRun:
    """A suite that is being run: when it began, the digest of its text and the names of all that it has to check."""

    suite: str
    digest: str
    started_at: datetime
    expected_checks: Sequence[str]


@dataclass(frozen=True)
class Scope:
    """What a candidate takes in: everything, or the loads that its window names, of which this is the first."""

    candidate_id: int
    is_full: bool
    first_load: int


@dataclass(frozen=True)
class Records:
    """Writes what suites found on one build of a candidate."""

    connection: Connection
    candidate_id: int
    build_count: int

    @classmethod
    def of_open_candidate(cls, connection: Connection, candidate_id: int) -> "Records":
        """Look up which build of the candidate there is now. Raises HeldError where it is not the open one."""
        with connection, connection.cursor() as cursor:
            cursor.execute("select candidate_publication from ops.publication_state")
            if cursor.fetchone() != (candidate_id,):
                raise HeldError(
                    f"Candidate {candidate_id} is not the open one, so it cannot be judged.",
                    "Open one with `message-tracking build`, or run the whole pipeline.",
                )
            cursor.execute("select count(*) from ops.model_builds where publication_id = %s", (candidate_id,))
            return cls(connection, candidate_id, _returned(cursor))

    def scope(self) -> Scope:
        """Look up what the candidate takes in."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                """
                select
                    (select is_full from ops.build_window),
                    (select coalesce(min(load_id), 0) from staging.stg_operations__new_loads)
                """
            )
            row = cursor.fetchone()
        assert row is not None  # noqa: S101  (the statement gives exactly one row)
        return Scope(self.candidate_id, *row)

    def add(self, run: SuiteRun, results: Iterable[CheckResult]) -> None:
        """Record a suite that ran to its end, in one transaction."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("select ops.hold_candidate(%s)", (self.candidate_id,))
            cursor.execute(
                """
                insert into ops.check_runs (
                    publication_id, suite, build_count, started_at, suite_digest, expected_checks
                )
                values (%s, %s, %s, %s, %s, %s)
                returning check_run_id
                """,
                (
                    self.candidate_id,
                    run.suite,
                    self.build_count,
                    run.started_at,
                    run.digest,
                    list(run.expected_checks),
                ),
            )
            run_id = _returned(cursor)
            for result in results:
                _add_result(cursor, run_id, result)


def _add_result(cursor: Cursor, run_id: int, result: CheckResult) -> None:
    cursor.execute(
        """
        insert into ops.check_results (check_run_id, relation, check_name, severity, is_success, failing_count, message)
        values (%s, %s, %s, %s, %s, 0, %s)
        returning check_result_id
        """,
        (run_id, result.relation, result.check, result.severity, result.is_success, result.message),
    )
    result_id = _returned(cursor)
    if result.is_success:
        return
    if result.key_query:
        # The query is one of this project's own checks, not a value from outside.
        key_query = result.key_query.replace("%", "%%")
        cursor.execute(
            f"insert into ops.failing_keys select %s, to_jsonb(failing) from ({key_query}) as failing",  # noqa: S608
            (result_id,),
        )
    else:
        cursor.execute(
            "insert into ops.failing_keys select %s, jsonb_array_elements(%s)",
            (result_id, json.dumps([dict(key) for key in result.keys])),
        )
    cursor.execute(
        "update ops.check_results set failing_count = %s where check_result_id = %s", (cursor.rowcount, result_id)
    )


def _returned(cursor: Cursor) -> int:
    row = cursor.fetchone()
    assert row is not None  # noqa: S101  (the statement gives exactly one row)
    return int(row[0])
