"""What the recorded results say of a candidate. The gate trusts these records, not the colour of a task."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from message_tracking.settings import Settings
from message_tracking.warehouse import Connection, fetch_all

DBT_SUITE = "dbt_tests"
SHOWN_KEYS = 5
SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Finding:
    """A check that failed: where, how many rows break it, and the first of their keys."""

    relation: str
    check: str
    severity: str
    message: str
    failing_count: int
    keys: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        """Two lines at most: the finding, and its first keys."""
        text = f"{self.severity}: {self.relation}: {self.check}: {self.message} ({self.failing_count} failing)"
        if self.keys:
            more = ", …" if self.failing_count > len(self.keys) else ""
            text += f"\n    keys: {', '.join(_cut(str(key)) for key in self.keys)}{more}"
        return text


@dataclass(frozen=True)
class Verdict:
    """The findings on one candidate, and the results that are missing; a missing result is a failure."""

    candidate_id: int
    check_count: int
    findings: tuple[Finding, ...]
    missing: tuple[str, ...]

    @property
    def is_publishable(self) -> bool:
        """No critical finding and no missing result; warnings publish and tell."""
        return not self.missing and not self._critical

    @property
    def _critical(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == "critical"]

    def summary(self) -> str:
        """One line for the list of publications."""
        critical = [f"{finding.relation}: {finding.check}" for finding in self._critical]
        warning_count = len(self.findings) - len(critical)
        parts = [f"{self.check_count} checks", f"{warning_count} warnings"]
        if critical:
            parts.append("critical: " + ", ".join(critical))
        if self.missing:
            parts.append("no result: " + ", ".join(self.missing))
        return "; ".join(parts)

    def report(self) -> str:
        """Every finding with its keys, for a task's log."""
        head = "may be published" if self.is_publishable else "is refused"
        lines = [f"Candidate {self.candidate_id} {head}: {self.summary()}."]
        lines += [f"  {finding}" for finding in sorted(self.findings, key=lambda finding: finding.severity)]
        lines += [f"  critical: {suite}: no result of this build is recorded" for suite in self.missing]
        if self.findings:
            lines.append("  All failing keys: ops.failing_keys, by check_result_id of ops.check_results.")
        return "\n".join(lines)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def suite_digests(settings: Settings) -> dict[str, str]:
    """Name every suite that must have run, with the SHA-256 in hex of its text as it is now.

    These are the files of expectations/, every published relation, with or without a file ('' then), and the dbt tests.
    """
    files = {path.stem: [path] for path in settings.expectations.glob("[!_]*.py")}
    published: dict[str, list[Path]] = {
        path.stem: [] for path in (settings.dbt_project / "models" / "marts").rglob("*.sql")
    }
    tests = {DBT_SUITE: [*settings.dbt_project.glob("*/**/*.yml"), *settings.dbt_project.glob("tests/**/*.sql")]}
    return {suite: _digest(paths) for suite, paths in sorted({**published, **files, **tests}.items())}


def _digest(files: list[Path]) -> str:
    if not files:
        return ""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def read_verdict(connection: Connection, settings: Settings, candidate_id: int) -> Verdict:
    """Judge a candidate by what is recorded of its newest build."""
    runs = {
        suite: run
        for suite, *run in fetch_all(
            connection,
            """
            select distinct on (suite)
                suite, check_run_id, suite_digest, expected_checks,
                array(select check_name from ops.check_results where check_run_id = runs.check_run_id)
            from ops.check_runs as runs
            where publication_id = %s
            and build_count = (select count(*) from ops.model_builds where publication_id = %s)
            order by suite, check_run_id desc
            """,
            (candidate_id, candidate_id),
        )
    }
    digests = suite_digests(settings)
    missing = []
    for suite in sorted({*digests, *runs}):
        digest = digests.get(suite, "")
        _, run_digest, expected, found = runs.get(suite, (None, digest, [], []))
        if not expected or not digest:
            missing.append(suite)
        elif run_digest != digest:
            missing.append(f"{suite} (changed since it was run)")
        missing += [f"{suite}: {check}" for check in expected if check not in found]
    missing += [f"build of {model}" for model in _models_not_built(connection, settings, candidate_id)]
    results = fetch_all(
        connection,
        """
        select
            check_result_id, relation, check_name, severity, message, failing_count, is_success,
            (
                select coalesce(jsonb_agg(shown.failing_key), '[]')
                from (
                    select failing_key from ops.failing_keys as keys
                    where keys.check_result_id = results.check_result_id
                    limit %s
                ) as shown
            )
        from ops.check_results as results
        where check_run_id = any (%s)
        order by check_result_id
        """,
        (SHOWN_KEYS, [run_id for run_id, *_ in runs.values()]),
    )
    findings = tuple(_finding(row) for row in results if not row[6])
    return Verdict(candidate_id, len(results), findings, tuple(missing))


def _finding(row: tuple[Any, ...]) -> Finding:
    _, relation, check, severity, message, failing_count, _, keys = row
    return Finding(relation, check, severity, message, failing_count, tuple(keys))


def _models_not_built(connection: Connection, settings: Settings, candidate_id: int) -> list[str]:
    """Name the models of the project that this candidate has not built."""
    built = fetch_all(
        connection, "select distinct model from ops.model_builds where publication_id = %s", (candidate_id,)
    )
    models = {path.stem for path in (settings.dbt_project / "models").rglob("*.sql")}
    return sorted(models - {model for (model,) in built})
