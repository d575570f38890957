"""The words that suites are written in: Great Expectations' own expectations, with a name and a severity on each.

A check reads what the candidate can have changed, or all rows when everything is computed anew. What it says of other
rows was said of them when they were published, and neither they nor what they come from have changed since: a model
that gives rows of keys that are not touched is not built. Sums are checked likewise: what was added to a figure is what
its rows have changed by.
"""

import re
from typing import Any, ClassVar, Literal

from great_expectations import ExpectationSuite
from great_expectations.expectations.core import ExpectTableColumnsToMatchSet, UnexpectedRowsExpectation
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from message_tracking.validation.records import Scope

Severity = Literal["critical", "warning"]

_DELIVERIES = ("delivery_id", "int_deliveries__touched")
_MESSAGES = ("delivery_id, message_id", "int_messages__touched")
_RECIPIENTS = ("recipient_id", "int_recipients__touched")
_DAYS = ("activity_date", "int_days__touched")
_TOUCHED = {
    "browser_statistics": _DAYS,
    "int_tracking_events__judged": _MESSAGES,
    "message_engagement": _MESSAGES,
    "operating_system_statistics": _DAYS,
    "recipients": _RECIPIENTS,
    "stg_delivery_data__messages": _MESSAGES,
    "stg_delivery_data__recipients": _RECIPIENTS,
    "tracking_events": _MESSAGES,
}
"""Columns and the relation of those that a candidate touches, where a relation's rows are not touched by delivery."""

_NEW = {"events": "stg_tracking__events", "exclusions": "stg_delivery_data__exclusions"}
"""What is looked at by the load that brought it."""


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


def grain(*columns: str, whole: bool = False) -> Expectation:
    """No two rows have the same key. Written as a query, because the failing keys are wanted, all of them."""
    names = ", ".join(columns)
    return never(
        f"grain_{'_'.join(columns)}",
        f"One row per {names}.",
        f"select {names}, count(*) as row_count from {{batch}} group by {names} having count(*) > 1",  # noqa: S608
        whole=whole,
    )


def never(
    check: str, description: str, query: str, severity: Severity = "critical", *, whole: bool = False
) -> Expectation:
    """The query gives no row. What it gives are the keys of the failing rows.

    In the query {batch} is the relation, of which it sees the rows that the candidate touches, or all where it is the
    `whole` one. Of other relations
    - `changed.<relation>` are the rows that the candidate touches;
    - `changes.<model>` are the rows that it opened in a versioned model, with `change` 1, and closed, with -1;
    - `live.<model>` are the rows of a versioned model before it;
    - `new.events` are the accepted events that it takes in, `new.exclusions` the exclusions.
    Where everything is computed anew, all rows are touched, opened and new, and none were there before.
    `<<or …>>` and `<<, …>>` stand for the same twice, joined so: for everybody's figures and for people's, whose names
    have `{human}` before them.
    """
    query, both_count = _BOTH.subn(lambda found: _for_both(found[2], f" {found[1]} "), query)
    if "{batch}" not in query:
        # Great Expectations wants every query to name it.
        query = f"select failing.* from ({query}) as failing left join (select from {{batch}} limit 1) as rows on true"  # noqa: S608
    return NoRows(
        unexpected_rows_query=query,
        severity=FailureSeverity(severity),
        meta={"check": check, "whole": whole, "of_both": both_count > 0},
        description=description,
    )


def look_at(suite: ExpectationSuite, scope: Scope) -> None:
    """Limit the queries of a suite to what a candidate takes in."""
    for expectation in suite.expectations:
        if isinstance(expectation, NoRows):
            query = str(expectation.unexpected_rows_query)
            is_whole = scope.is_full or (expectation.meta or {})["whole"]
            # Great Expectations gives it a name of its own.
            batch = "(select * from {batch})" if is_whole else _touched(suite.name, "{batch}", scope)
            query = _RELATION.sub(lambda found: _rows(found[1], found[2], scope), query.replace("{batch}", batch))
            expectation.unexpected_rows_query = query


_BOTH = re.compile(r"<<(or|,) (.*?) ?>>", re.DOTALL)


def _for_both(text: str, separator: str) -> str:
    return separator.join(text.format(human=prefix) for prefix in ("", "human_"))


_RELATION = re.compile(r"\b(changed|changes|live|new)\.(\w+)")


def _rows(which: str, relation: str, scope: Scope) -> str:
    """The rows of a relation that are meant by the word before its name; texts of this module and of suites."""
    shown, store = f"{_schema(relation)}.{relation}", f"mart_store.{relation}"
    if which == "changed":
        return _touched(relation, shown, scope)
    if which == "new":
        loads = "select load_id from staging.stg_operations__new_loads"
        # The number tells the planner that these are few.
        limit = "" if scope.is_full else f" where load_id >= {scope.first_load} and load_id in ({loads})"
        return f"(select * from staging.{_NEW[relation]}{limit})"  # noqa: S608
    if which == "live":
        live = "(select live_publication from ops.publication_state)"
        limit = "false" if scope.is_full else f"valid_from <= {live} and valid_to > {live}"
        return f"(select * from {store} where {limit})"  # noqa: S608
    if scope.is_full:
        return f"(select 1 as change, * from {shown})"  # noqa: S608
    return (
        f"(select 1 as change, * from {store} where valid_from = {scope.candidate_id} "  # noqa: S608
        f"union all select -1, * from {store} where valid_to = {scope.candidate_id})"
    )


def _touched(relation: str, rows: str, scope: Scope) -> str:
    if scope.is_full:
        return rows
    columns, touched = _TOUCHED.get(relation, _DELIVERIES)
    return f"(select * from {rows} where ({columns}) in (select {columns} from intermediate.{touched}))"  # noqa: S608


def _schema(relation: str) -> str:
    """The schema in which a candidate shows a relation."""
    return {"stg": "staging", "int": "intermediate"}.get(relation.split("_", maxsplit=1)[0], "audit")


def shares_add_up() -> Expectation:
    """The `click_share` of a delivery's rows add up to 1, or to 0 where nobody clicked."""
    return never(
        "shares_add_up",
        "The shares of a delivery add up to 1, or to 0 where nobody clicked.",
        """
        select delivery_id, sum(click_share) as share_sum, sum(human_click_share) as human_share_sum
        from {batch}
        group by delivery_id
        having <<or abs(sum({human}click_share) - case when sum({human}click_count) > 0 then 1 else 0 end) > 0.000001 >>
        """,
    )


def ranks_run_from_one() -> Expectation:
    """The `rank` of a delivery's rows runs from 1 to their number, and more clicks never stand behind fewer."""
    return never(
        "ranks_run_from_one",
        "Ranks run from 1 to the number of rows, and more clicks never stand behind fewer.",
        """
        select delivery_id, rank, human_rank
        from (
            select
                *,
                <<, row_number() over (partition by delivery_id order by {human}rank) as {human}place,
                lag({human}click_count) over (partition by delivery_id order by {human}rank) as {human}clicks_before >>
            from {batch}
        ) as ranked
        where <<or {human}rank <> {human}place or {human}click_count > {human}clicks_before >>
        """,
    )


def visitor_checks(relation: str) -> list[Expectation]:
    """What holds of the statistics of visitors by day, name and version, be they browsers or operating systems."""
    return [
        structure(
            "activity_date",
            "name",
            "version",
            "visitor_count",
            "page_count",
            "day_visitor_count",
            "usage_rate",
            "global_rate",
            "relative_rate",
            "human_visitor_count",
            "human_page_count",
            "human_day_visitor_count",
            "human_usage_rate",
            "human_global_rate",
            "human_relative_rate",
        ),
        grain("activity_date", "name", "version"),
        never(
            "counts_are_possible",
            "A row has visitors, some of them people, each visitor a page, and no row or day more than it can have.",
            """
            select activity_date, name, version
            from (
                select
                    *,
                    <<, sum({human}visitor_count) over (partition by activity_date) as {human}visit_count,
                    max({human}day_visitor_count) over (partition by activity_date) as {human}same_day_visitor_count >>
                from {batch}
            ) as rows
            where
                visitor_count < 1
                or human_visitor_count not between 0 and visitor_count
                or <<or {human}page_count < {human}visitor_count
                or {human}visitor_count > {human}day_visitor_count
                or {human}day_visitor_count > {human}visit_count
                or {human}day_visitor_count <> {human}same_day_visitor_count >>
            """,
        ),
        never(
            "rates_are_part_over_base",
            "Usage is of the day's visitors; global rates of a day and relative rates of a name add up to 1, or to 0 "
            "where nobody visits.",
            """
            select activity_date, name, version
            from (
                select
                    *,
                    <<, sum({human}global_rate) over (partition by activity_date) as {human}global_sum,
                    sum({human}relative_rate) over (partition by activity_date, name) as {human}relative_sum,
                    sum({human}visitor_count) over (partition by activity_date, name) as {human}name_visit_count >>
                from {batch}
            ) as rows
            where
                <<or abs({human}usage_rate * {human}day_visitor_count - {human}visitor_count) > 0.000001
                or abs({human}global_sum - case when {human}day_visitor_count > 0 then 1 else 0 end) > 0.000001
                or abs({human}relative_sum - case when {human}name_visit_count > 0 then 1 else 0 end) > 0.000001
                or abs({human}relative_rate * {human}name_visit_count - {human}visitor_count) > 0.000001 >>
            """,
        ),
        never(
            "visitors_of_a_day_are_those_who_clicked",
            "A day has gained as many visitors as have clicked by now and had not before.",
            f"""
            select activity_date, rows.day_visitor_count, before.day_visitor_count as earlier_count, gained.gained_count
            from (
                select activity_date, <<, max({{human}}day_visitor_count) as {{human}}day_visitor_count >>
                from {{batch}} group by activity_date
            ) as rows
            full join (
                select activity_date, <<, max({{human}}day_visitor_count) as {{human}}day_visitor_count >>
                from live.{relation}
                where activity_date in (select activity_date from intermediate.int_days__touched)
                group by activity_date
            ) as before using (activity_date)
            full join (
                select
                    visitors.activity_date,
                    <<, count(*) filter (
                        where coalesce(before.{{human}}click_count, 0) + visitors.{{human}}click_count > 0
                    )
                    - count(*) filter (where before.{{human}}click_count > 0) as {{human}}gained_count >>
                from (
                    select activity_date, visitor_id, <<, sum(change * {{human}}click_count) as {{human}}click_count >>
                    from changes.int_visitors__pages
                    group by activity_date, visitor_id
                ) as visitors
                left join (
                    select activity_date, visitor_id, <<, sum({{human}}click_count) as {{human}}click_count >>
                    from live.int_visitors__pages
                    where (activity_date, visitor_id) in (
                        select activity_date, visitor_id from changes.int_visitors__pages
                    )
                    group by activity_date, visitor_id
                ) as before
                    on visitors.activity_date = before.activity_date and visitors.visitor_id = before.visitor_id
                group by visitors.activity_date
            ) as gained using (activity_date)
            where
                <<or coalesce(rows.{{human}}day_visitor_count, 0) - coalesce(before.{{human}}day_visitor_count, 0)
                <> coalesce(gained.{{human}}gained_count, 0) >>
            """,  # noqa: S608
        ),
    ]
