"""Reading the published marts by reading plain tables: `read_vs_table`, and how well such reads are planned.

The plain tables hold the rows that the live publication shows, with the indexes of the marts but for those on versions.
The warehouse has had several publications, so closed versions lie between the rows that readers see.
`read_estimate_error` is the worst factor, over all queries, between the rows that the planner expected of the topmost
scan or join and those that came.
"""

import csv
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import click
import psycopg2
from benchmarks.measuring import in_turn, ratios, report, same_work, say, seconds
from benchmarks.warehouses import BenchWarehouse, lines_option, new_warehouse, sample_options
from psycopg2 import sql
from tests.warehouse.conftest import VERSIONED_MARTS
from tests.warehouse.slices import Slices

from message_tracking.migrating import login_name
from message_tracking.warehouse import Connection, fetch_all

PLAIN = "plain"
"""The schema of the plain tables."""

SLICE_LINES = 500
LEAST_SECONDS = 0.1
"""A run repeats its query until it takes about so long: the clock must not decide."""

QUERIES = {
    "a delivery's click stream": """
        select occurred_at, event_type, url_label, recipient_id, browser, device
        from tracking_events where delivery_id = %(delivery)s order by occurred_at desc, event_id
    """,
    "a delivery's events by hour": """
        select date_trunc('hour', occurred_at) as hour, event_type, count(*), count(distinct recipient_id)
        from tracking_events where delivery_id = %(delivery)s group by hour, event_type order by hour, event_type
    """,
    "a delivery's links": """
        select url_id, label, category, source_url, click_count, click_share, rank
        from url_clicks where delivery_id = %(delivery)s order by rank
    """,
    "a delivery's statistics": """
        select series, percent, seconds_to_percent
        from tracking_statistics where delivery_id = %(delivery)s order by series, percent
    """,
    "a delivery's hot links by day": """
        select hot_clicks.label, click_date, url_clicks_by_day.click_count
        from hot_clicks inner join url_clicks_by_day using (delivery_id, url_id)
        where delivery_id = %(delivery)s and is_drawn order by 1, 2, 3
    """,
    "who of a delivery opened and did not click": """
        select message_id, recipient_id, first_opened_at, open_count
        from message_engagement where delivery_id = %(delivery)s and has_opened and not has_clicked order by message_id
    """,
    "a recipient's tab": """
        select occurred_at, deliveries.label, event_type, url_label, browser, device
        from tracking_events inner join deliveries using (delivery_id)
        where recipient_id = %(recipient)s order by occurred_at desc, event_id
    """,
    "a recipient's deliveries": """
        select delivery_id, deliveries.label, status, open_count, click_count
        from message_engagement inner join deliveries using (delivery_id)
        where recipient_id = %(recipient)s order by delivery_id, message_id
    """,
    "all deliveries with their indicators": """
        select
            delivery_id, label, success_count, total_open_count, total_click_count, reactivity_rate,
            platform_reactivity_rate
        from deliveries inner join delivery_indicators using (delivery_id)
        where not is_proof and not is_model order by contact_at desc nulls last, delivery_id
    """,
    "deliveries with their hottest link": """
        select delivery_id, deliveries.label, total_open_count, url_clicks.label, url_clicks.click_count
        from deliveries
        inner join delivery_indicators using (delivery_id)
        inner join url_clicks using (delivery_id)
        where url_clicks.rank = 1 order by total_open_count desc, delivery_id
    """,
    "clicks of a month by day and category": """
        select click_date, category, sum(url_clicks_by_day.click_count)
        from url_clicks_by_day inner join url_clicks using (delivery_id, url_id)
        where click_date >= %(month)s and click_date < %(month)s + interval '1 month'
        group by click_date, category order by click_date, category
    """,
    "a month's events over all deliveries": """
        select occurred_at::date as day, event_type, count(*), count(distinct delivery_id)
        from tracking_events
        where occurred_at >= %(month)s and occurred_at < %(month)s + interval '1 month'
        group by day, event_type order by day, event_type
    """,
    "devices of those who opened": """
        select device, operating_system, count(*)
        from tracking_events where event_type = 'open' and is_counted group by 1, 2 order by 1, 2
    """,
    "opens by minute over all deliveries": """
        select bucket_at, sum(event_count) from tracking_buckets where url_id = 1 group by bucket_at order by bucket_at
    """,
}
"""What reports and BI tools ask, in words and in SQL over whichever schema is searched."""

PARAMETERS = """
    select
        delivery_id,
        (
            select recipient_id from marts.tracking_events
            where delivery_id = busiest.delivery_id and recipient_id > 0
            group by recipient_id order by count(*) desc, recipient_id limit 1
        ) as recipient_id,
        date_trunc('month', contact_at)::date as month
    from (
        select delivery_id, contact_at from marts.deliveries inner join marts.delivery_indicators using (delivery_id)
        where contact_at is not null order by total_click_count desc, delivery_id limit 1
    ) as busiest
"""
"""A delivery with many events, one of its recipients and the month in which it was sent."""

INDEX_COLUMNS = """
    select array_agg(attname::text order by place)
    from pg_index
    inner join pg_class on indrelid = pg_class.oid
    cross join unnest(indkey) with ordinality as keys (attribute, place)
    inner join pg_attribute on attrelid = indrelid and attnum = attribute
    where relnamespace = 'mart_store'::regnamespace and relname = %s
    group by indexrelid
    having not array_agg(attname::text) && array['valid_from', 'valid_to']
"""
"""The columns of each index of a mart that is not about versions."""

STORES = {"tracking_events": "int_tracking_events__judged"}
"""The store that a mart is a view of, where it has another name."""

JOINS_AND_SCANS = {
    "Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Hash Join", "Merge Join", "Nested Loop",
}  # fmt: skip


def lay_plain_tables(bench: BenchWarehouse) -> None:
    """Copy what each mart shows into a table of its name with the same indexes, and let readers read it."""
    with closing(bench.warehouse.connect("plain tables")) as session, session, session.cursor() as cursor:
        schema = sql.Identifier(PLAIN)
        cursor.execute(sql.SQL("create schema {0}; grant usage on schema {0} to bi_reader").format(schema))
        for name in (mart for schema, mart in fetch_all(session, VERSIONED_MARTS) if schema == "marts"):
            table = sql.Identifier(PLAIN, name)
            create = sql.SQL("create table {0} as select * from {1}; grant select on {0} to bi_reader")
            cursor.execute(create.format(table, sql.Identifier("marts", name)))
            for (columns,) in fetch_all(session, INDEX_COLUMNS, (STORES.get(name, name),)):
                keys = sql.SQL(", ").join(map(sql.Identifier, columns))
                cursor.execute(sql.SQL("create index on {} ({})").format(table, keys))


class Reader:
    """A session of a BI tool that looks into one of the two schemas."""

    def __init__(self, bench: BenchWarehouse, schema: str, parameters: dict[str, Any]) -> None:
        self.session: Connection = psycopg2.connect(bench.server.url(login_name("bi_reader")))
        self.session.autocommit = True
        self.parameters = parameters
        fetch_all(self.session, "select set_config('search_path', %s, false)", (schema,))

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query and take all of its rows."""
        with self.session.cursor() as cursor:
            cursor.execute(query, self.parameters)
            return cursor.fetchall()

    def time(self, query: str, times: int) -> Callable[[], float]:
        """A run that reads so many times and gives the seconds of one."""
        return lambda: seconds(lambda: [self.read(query) for _ in range(times)]) / times

    def misjudged(self, query: str) -> float:
        """The factor between the rows expected of the topmost scan or join and those that came."""
        (((plan,),),) = [self.read(f"explain (analyze, timing off, format json) {query}")]
        node = _topmost(plan[0]["Plan"])
        expected, came = max(float(node["Plan Rows"]), 1), max(float(node["Actual Rows"]), 1)
        return max(expected / came, came / expected)


def _topmost(node: dict[str, Any]) -> dict[str, Any]:
    """The first scan or join of relations on the way down; initial plans, which read a single row, are passed by."""
    while node["Node Type"] not in JOINS_AND_SCANS:
        (node,) = [below for below in node["Plans"] if below["Parent Relationship"] in {"Outer", "Subquery"}]
    return node


def publish_often(bench: BenchWarehouse, lines: int, publications: int) -> None:
    """Publish a sample and then slices of it with other labels, so that versions lie in all marts that nobody sees."""
    folder = bench.add_sample(sample_options(lines))
    slices = Slices(folder, SLICE_LINES)
    bench.load()
    bench.pipeline.publish()
    for done in range(1, publications + 1):
        relabel_links(folder, slices, slices.write(), f"relabelled {done}")
        bench.load()
        bench.pipeline.publish()
        say(f"Published {done} of {publications} slices")
    for mart in ("tracking_events", "message_engagement", "url_clicks"):
        select = sql.SQL("select avg((valid_to < 2147483647)::integer) from {}").format(
            sql.Identifier("mart_store", STORES.get(mart, mart))
        )
        ((share,),) = bench.query(select)
        say(f"{share:.1%} of the rows of {mart} are closed versions")
        if not share:
            raise SystemExit(f"No version is closed in {mart}: there is nothing that reading could cost.")


def relabel_links(folder: Path, slices: Slices, delivery_id: int, label: str) -> None:
    """Export a delivery's tracked URLs once more with other labels, which its events show too."""
    rows = [
        row | {"label": f"{row['label']}, {label}"} for row in slices.urls if int(row["delivery_id"]) == delivery_id
    ]
    with (folder / "exports" / "tracked_urls.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def figures(bench: BenchWarehouse, runs: int) -> Iterator[tuple[float, float]]:
    """For each query what reading marts costs by reading tables, and how far off it is planned; told as they come."""
    ((delivery, recipient, month),) = bench.query(PARAMETERS)
    parameters = {"delivery": delivery, "recipient": recipient, "month": month}
    marts, plain = (Reader(bench, schema, parameters) for schema in ("marts", PLAIN))
    with closing(marts.session), closing(plain.session):
        for name, query in QUERIES.items():
            rows = plain.read(query)
            if not rows:
                raise SystemExit(f"There is no row in: {name}")
            same_work(name, rows, marts.read(query))
            times = max(1, round(LEAST_SECONDS / plain.time(query, 1)()))
            taken = in_turn(runs, marts=marts.time(query, times), plain=plain.time(query, times))
            ratio, error = median(ratios(taken["marts"], taken["plain"])), marts.misjudged(query)
            say(f"{name}: {ratio:.2f} x a table, {error:.1f} x misjudged ({plain.misjudged(query):.1f} x in the table)")
            yield ratio, error


@click.command()
@lines_option(200_000)
@click.option("--publications", type=click.IntRange(min=1), default=4, show_default=True, help="Of later slices.")
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True, help="Of each query on each side.")
def main(lines: int, publications: int, runs: int) -> None:
    """Read the same rows from the marts and from plain tables, query by query."""
    with new_warehouse() as bench:
        say(f"Load and publish {lines} events")
        publish_often(bench, lines, publications)
        lay_plain_tables(bench)
        bench.settle()
        measured = list(figures(bench, runs))
    report("read_vs_table", [ratio for ratio, _ in measured], "x", "queries")
    report("read_estimate_error", [max(error for _, error in measured)], "x")


if __name__ == "__main__":
    main()
