"""The words that suites are written in: Great Expectations' own expectations, with a name and a severity on each.

A check reads what the candidate can have changed: the rows of the deliveries that it touches, which are all of them
when everything is computed anew. What it says of other rows was said of them when they were published, and neither they
nor what they come from have changed since: a model that gives rows of deliveries that are not touched is not built.
"""

import re
from typing import Any, ClassVar, Literal

from great_expectations.expectations.core import ExpectTableColumnsToMatchSet, UnexpectedRowsExpectation
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

Severity = Literal["critical", "warning"]

TOUCHED = {"delivery_id": "int_deliveries__touched", "recipient_id": "int_recipients__touched"}
"""Which keys a candidate touches, by the column that holds them."""


class NoRows(UnexpectedRowsExpectation):
    """A query gives no rows. They are counted only: the base class reads them by a second run of the query as well."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.row_count",)

    def _validate(self, metrics: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        """Judge by the count; the keys of the rows are recorded in ops, all of them."""
        return super()._validate({"unexpected_rows_query.table": [], **metrics}, *arguments, **options)


def structure(*columns: str) -> Expectation:
    """All of these columns are there; more are welcome."""
    return ExpectTableColumnsToMatchSet(
        column_set=list(columns),
        exact_match=False,
        severity=FailureSeverity.CRITICAL,
        meta={"check": "structure"},
        description=f"The columns {', '.join(columns)} are there.",
    )


def grain(*columns: str, touched: str | None = "delivery_id") -> Expectation:
    """No two rows have the same key. Written as a query, because the failing keys are wanted, all of them."""
    names = ", ".join(columns)
    return never(
        f"grain_{'_'.join(columns)}",
        f"One row per {names}.",
        f"select {names}, count(*) as row_count from {{batch}} group by {names} having count(*) > 1",  # noqa: S608
        touched=touched,
    )


def never(
    check: str, description: str, query: str, severity: Severity = "critical", *, touched: str | None = "delivery_id"
) -> Expectation:
    """The query, in which {batch} is the relation, gives no row. What it gives are the keys of the failing rows.

    Of {batch}, and of other relations named as `changed.<relation>`, it sees the rows whose column `touched` holds a
    key that the candidate touches; without `touched` all rows.
    """
    return NoRows(
        unexpected_rows_query=_limited(query, touched) if touched else query,
        severity=FailureSeverity(severity),
        meta={"check": check},
        description=description,
    )


def _limited(query: str, column: str) -> str:
    """Put what the candidate touches in the place of whole relations."""
    touched = f"select {column} from intermediate.{TOUCHED[column]}"  # noqa: S608  (texts of this module)

    def rows_of(relation: str) -> str:
        return f"(select * from {relation} where {column} in ({touched}))"  # noqa: S608

    named = re.sub(r"\bchanged\.(\w+)", lambda found: rows_of(f"{_schema(found[1])}.{found[1]}"), query)
    return named.replace("{batch}", rows_of("{batch}"))


def _schema(relation: str) -> str:
    """The schema in which a candidate shows a relation."""
    return {"stg": "staging", "int": "intermediate"}.get(relation.split("_", maxsplit=1)[0], "audit")


def shares_add_up() -> Expectation:
    """The `click_share` of a delivery's rows add up to 1, or to 0 where nobody clicked."""
    return never(
        "shares_add_up",
        "The shares of a delivery add up to 1, or to 0 where nobody clicked.",
        """
        select delivery_id, sum(click_share) as share_sum, sum(click_count) as click_count
        from {batch}
        group by delivery_id
        having abs(sum(click_share) - case when sum(click_count) > 0 then 1 else 0 end) > 0.000001
        """,
    )


def ranks_run_from_one() -> Expectation:
    """The `rank` of a delivery's rows runs from 1 to their number, and more clicks never stand behind fewer."""
    return never(
        "ranks_run_from_one",
        "Ranks run from 1 to the number of rows, and more clicks never stand behind fewer.",
        """
        select delivery_id, rank
        from (
            select
                delivery_id,
                rank,
                click_count,
                row_number() over (partition by delivery_id order by rank) as place,
                lag(click_count) over (partition by delivery_id order by rank) as clicks_before
            from {batch}
        ) as ranked
        where rank <> place or click_count > clicks_before
        """,
    )
