"""The demo: a sample through the whole stack, from files to published marts, under a real scheduler."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from message_tracking.airflow_api import AirflowApi, NotFoundError
from message_tracking.dag_runs import PUBLISH, start_ingests, wait_for_dags, wait_for_publishing, wait_for_runs
from message_tracking.embedded import EmbeddedServer, open_warehouse
from message_tracking.errors import MessageTrackingError
from message_tracking.local_airflow import LocalAirflow
from message_tracking.migrating import login_name, migrate
from message_tracking.settings import Settings
from message_tracking.warehouse import Warehouse, fetch_all

PLAIN_SECONDS = 5
"""Where the output is no terminal, a step tells how far it is at most this often."""

DELIVERIES = """
    select
        deliveries.delivery_id,
        deliveries.label,
        delivery_indicators.total_open_count,
        delivery_indicators.total_click_count,
        delivery_indicators.reactivity_rate,
        hottest.label,
        hottest.click_count
    from marts.deliveries
    inner join marts.delivery_indicators using (delivery_id)
    left join marts.url_clicks as hottest
        on deliveries.delivery_id = hottest.delivery_id and hottest.rank = 1 and hottest.click_count > 0
    order by delivery_indicators.total_open_count desc, deliveries.delivery_id
"""

REJECTS = """
    select
        rejected.reason,
        count(*),
        (array_agg(
            sources.source || '/' || coalesce(nullif(loads.server, ''), loads.kind) || '/' || loads.file_name
            || ' line ' || rejected.line_number
            order by rejected.rejected_line_id
        ))[1]
    from raw.rejected_lines as rejected
    inner join ops.file_ledger as loads using (load_id)
    inner join ops.sources using (source_id)
    where rejected.replayed_by_load_id is null
    group by rejected.reason
    order by count(*) desc, rejected.reason
"""


@dataclass
class Steps:
    """Shows which step is going on, and keeps how long each took."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """Run a step; what it gives is called with a line whenever there is something to tell."""
        started = told_at = time.monotonic()

        def tell(detail: str) -> None:
            nonlocal told_at
            if self.console.is_terminal:
                status.update(f"{escape(name)}: {escape(detail)}")
            elif time.monotonic() - told_at > PLAIN_SECONDS:
                self.console.print(f"    {detail}", markup=False, highlight=False)
                told_at = time.monotonic()

        if not self.console.is_terminal:
            self.console.print(f"… {name}", markup=False)
        with self.console.status(escape(name)) as status:
            yield tell
        self.seconds[name] = time.monotonic() - started
        self.console.print(f"✓ {name}: {self.seconds[name]:.1f} s", markup=False, highlight=False)


@dataclass(frozen=True)
class Shown:
    """What readers see after the demo, and the DAG run that put it there."""

    publication_id: int
    run_id: str
    published_now: dict[int, int]
    """Publications that this demo made → the new events of each; empty where nothing was new."""


def run_demo(settings: Settings, line_count: int, console: Console) -> None:
    """Run the demo and print what came of it. The local Airflow is stopped at the end, unless it ran before.

    Raises MessageTrackingError that says which step failed and why; nothing of Airflow is left running then either.
    """
    steps = Steps(console)
    warehouse = _prepare(settings, line_count, steps)
    before = _live_publication(warehouse)
    airflow = LocalAirflow(settings)
    is_ours = not airflow.is_running()
    try:
        with steps.step("Start Airflow") as tell:
            airflow.start(tell)
            api = airflow.api()
            tell("Waiting for the DAGs")
            wait_for_dags(api)
        since = datetime.now(UTC).isoformat()
        with steps.step("Load tracking logs and delivery data") as tell:
            wait_for_runs(api, start_ingests(api), tell)
        with steps.step("Build, audit and publish the marts") as tell:
            wait_for_publishing(api, since, tell)
        shown = _shown(warehouse, api, before)
    finally:
        if is_ours:
            with steps.step("Stop Airflow"):
                airflow.stop()
    _print_result(settings, warehouse, shown, steps, console)


def _prepare(settings: Settings, line_count: int, steps: Steps) -> Warehouse:
    from message_tracking.sample import SampleOptions, generate_sample, lay_worked_example  # noqa: PLC0415  (polars)

    with steps.step("Start PostgreSQL and migrate") as tell:
        warehouse = open_warehouse(settings)
        migrate(warehouse, settings, progress=tell)
        # Airflow's metadata is in the embedded server, whoever runs the warehouse.
        EmbeddedServer(settings.home).start()
    with steps.step(f"Write a sample of {line_count} log lines, and the worked example"):
        generate_sample(SampleOptions(lines=line_count), settings.home / "landing" / "campaign")
        lay_worked_example(settings.home / "landing" / "golden")
    return warehouse


def _live_publication(warehouse: Warehouse) -> int:
    return int(_query(warehouse, "select live_publication from ops.publication_state")[0][0])


def _shown(warehouse: Warehouse, api: AirflowApi, before: int) -> Shown:
    """What is live now. Raises MessageTrackingError unless a task of an asset-triggered DAG run published it."""
    rows = _query(
        warehouse,
        """
        select publication_id, holder from ops.publications
        where publication_id = (select live_publication from ops.publication_state)
        """,
    )
    if not rows:
        raise MessageTrackingError(
            "The DAGs ran, but nothing was published.", "`message-tracking status` shows what was loaded."
        )
    publication_id, holder = rows[0]
    dag_id, _, run_id = holder.partition(" ")
    try:
        run_type = api.run(dag_id, run_id)["run_type"] if dag_id == PUBLISH else None
    except NotFoundError:
        run_type = None
    if run_type != "asset_triggered":
        raise MessageTrackingError(
            f"Publication {publication_id} was made by {holder}, not by a DAG run that an asset triggered.",
            "The demo shows the whole path only in a home that was not published by hand before: name another one in "
            "MESSAGE_TRACKING_HOME.",
        )
    published = _query(
        warehouse, "select publication_id, event_count from ops.publications where status = 'published' order by 1"
    )
    return Shown(publication_id, run_id, {number: count for number, count in published if number > before})


def _query(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    with closing(warehouse.connect("message-tracking demo")) as connection:
        return fetch_all(connection, query)


def _print_result(settings: Settings, warehouse: Warehouse, shown: Shown, steps: Steps, console: Console) -> None:
    console.print()
    console.print(_deliveries_table(settings, warehouse))
    rejects = _query(warehouse, REJECTS)
    if rejects:
        console.print(_rejects_table(rejects))
    console.print(_steps_table(steps))
    for number, event_count in shown.published_now.items():
        console.print(f"Published: publication {number} with {event_count} new events", highlight=False)
    if not shown.published_now:
        console.print(
            f"Nothing was new, so nothing was published: publication {shown.publication_id} stays.", highlight=False
        )
    console.print(
        f"Publication {shown.publication_id} was published by the DAG run {shown.run_id}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for name, where in (
        ("Read it", "message-tracking dsn --role bi_reader gives the address for a BI tool; the schema is marts"),
        ("Reports", "message-tracking reports shows them in a browser"),
        ("Data Docs", str(settings.data_docs / "index.html")),
        ("Airflow", "make up starts it with its pages and leaves it running, make down stops everything"),
        ("State", "message-tracking status"),
        ("Documentation", str(settings.project / "README.md")),
    ):
        console.print(f"{name + ':':<15}{where}", markup=False, highlight=False, soft_wrap=True)


def _deliveries_table(settings: Settings, warehouse: Warehouse) -> Table:
    """What a BI tool sees: read with the rights of bi_reader."""
    table = Table(title="Deliveries, read from marts as bi_reader", title_justify="left")
    table.add_column("delivery", justify="right")
    table.add_column("label")
    for name in ("opens", "clicks", "reactivity"):
        table.add_column(name, justify="right")
    table.add_column("hottest link")
    for delivery_id, label, opens, clicks, reactivity, link, link_clicks in _read_as_bi_reader(settings, warehouse):
        hottest = f"{escape(link)} ({link_clicks} clicks)" if link is not None else "none clicked"
        table.add_row(str(delivery_id), escape(label), str(opens), str(clicks), f"{reactivity:.1%}", hottest)
    return table


def _read_as_bi_reader(settings: Settings, warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """Over that group's own login on the embedded server; on another server the logins are not ours to know."""
    if settings.warehouse_url is None:
        reader, role = Warehouse(EmbeddedServer(settings.home).url(login_name("bi_reader"))), None
    else:
        reader, role = warehouse, "bi_reader"
    with closing(reader.connect("message-tracking demo", role=role)) as connection:
        return fetch_all(connection, DELIVERIES)


def _rejects_table(rejects: Sequence[tuple[Any, ...]]) -> Table:
    table = Table(title="Rejected lines, kept byte for byte in raw.rejected_lines", title_justify="left")
    table.add_column("reason")
    table.add_column("lines", justify="right")
    table.add_column("for example")
    for reason, count, example in rejects:
        table.add_row(escape(reason), str(count), escape(example))
    return table


def _steps_table(steps: Steps) -> Table:
    table = Table(title="How long it took", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for name, seconds in steps.seconds.items():
        table.add_row(escape(name), f"{seconds:.1f}")
    table.add_section()
    table.add_row("together", f"{sum(steps.seconds.values()):.1f}")
    return table
