"""The DAGs under a real scheduler. The tests build on each other's publications, so their order matters."""

import os
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest
from tests.e2e.killing_tasks import TaskKiller

from message_tracking.dag_runs import PUBLISH, start, start_ingests, wait_for_publishing, wait_for_runs
from message_tracking.errors import MessageTrackingError
from message_tracking.loading.delivery_data import load_delivery_data
from message_tracking.loading.tracking_logs import load_tracking_logs
from message_tracking.pipeline import publish_what_is_new
from message_tracking.sources import read_sources
from message_tracking.transports.opening import open_source

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

LATE_DELIVERY = "451401954"
FOREIGN_CLICKS = "".join(
    # A click in the delivery 0x1ae7d511 (451400977) on the URL 1400400001 + 1000, which is another delivery's.
    f"70x{number:016X}\t2025-03-16T10:00:{number:02d}\t121eac01\t1ae7d511\t{{url:x}}\t0\t\th\t\tMozilla/5.0\t203.0.113.9\n"
    for number in range(50)
)

OPEN = "{prefix}0x00000000000000EE\t2025-03-16T0{prefix}:00:00\t121eac01\t1ae7d511\t1\t0\t\th\t\tMozilla/5.0\t203.0.113.9\n"
"""An open at that hour, whose log id begins with a server's prefix."""


def without_delivery(export: Path, target: Path) -> None:
    """Copy an export but the rows that name the late delivery."""
    lines = export.read_text(encoding="utf-8").splitlines(keepends=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(line for line in lines if f",{LATE_DELIVERY}," not in f",{line}"), encoding="utf-8")


def assert_that_a_shell_is_told_who_builds(stack):
    """Run the pipeline in a shell while a DAG run builds."""
    shell = subprocess.run(
        [str(Path(sys.executable).with_name("message-tracking")), "run"],
        env=os.environ | {"MESSAGE_TRACKING_HOME": str(stack.settings.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.returncode == 3
    assert re.search(r"publish_tracking_marts asset_triggered__\S+ has held candidate \d+ since 20", shell.stderr)


def ingest_and_publish_through_kills(stack, *, build=False):
    """Run the DAGs while a process of each kind of task is killed once; return the runs."""
    since = datetime.now(UTC).isoformat()
    runs = start_ingests(stack.api)
    killer = TaskKiller(stack.warehouse)
    killer.kill_load()
    wait_for_runs(stack.api, runs)
    if build:
        killer.kill_build()
    killer.kill_audit()
    assert_that_a_shell_is_told_who_builds(stack)
    killer.kill_publish()
    wait_for_publishing(stack.api, since)
    # Whichever ingest ends first sets off a run of its own.
    return [*runs, *((PUBLISH, run["dag_run_id"]) for run in stack.api.runs_since(PUBLISH, since))]


def tries(stack, runs):
    """How often each task was tried at most, of those that were tried more than once."""
    instances = [one for run in runs for one in stack.api.task_instances(*run)]
    return {one["task_id"]: one["try_number"] for one in instances if one["try_number"] > 1}


@pytest.fixture
def one_feed(golden, read_marts, warehouse, settings, connection):
    """Feed the golden case at once, without Airflow, into a warehouse with a stack's secret behind `person_id`."""

    def run(stack):
        ((key,),) = stack.query("select key from ops.person_key")
        with connection, connection.cursor() as cursor:
            cursor.execute("update ops.person_key set key = %s", (psycopg2.Binary(bytes(key)),))
        shutil.copytree(golden, settings.home / "landing" / "campaign")
        home = {"MESSAGE_TRACKING_HOME": str(settings.home)}
        files = open_source(read_sources(settings.sources_file, {**os.environ, **home}).named("campaign"))
        load_delivery_data(warehouse, files)
        for server in files.servers():
            load_tracking_logs(warehouse, files, server)
        publish_what_is_new(warehouse, settings)
        rows = read_marts(warehouse)
        assert all(rows.values())
        return rows

    return run


def test_two_feeds_give_what_one_gives_although_tasks_are_killed(stack, golden, read_marts, one_feed):
    for export in (golden / "exports").glob("*.csv"):
        without_delivery(export, stack.landing / "exports" / export.name)
    shutil.copytree(golden / "logs" / "edge-a", stack.landing / "logs" / "edge-a")
    stack.ingest_and_publish()
    late = f"select count(*) from raw.events where delivery_id = {LATE_DELIVERY}"
    assert stack.query(late)[0][0] > 0
    assert stack.query(f"select count(*) from marts.deliveries where delivery_id = {LATE_DELIVERY}") == [(0,)]

    shutil.copytree(golden / "exports", stack.landing / "exports", dirs_exist_ok=True)
    shutil.copytree(golden / "logs" / "edge-b", stack.landing / "logs" / "edge-b")
    runs = ingest_and_publish_through_kills(stack)
    assert tries(stack, runs) == {"load_tracking_logs": 2, "audit_marts": 2, "publish_marts": 2}

    assert read_marts(stack.warehouse) == one_feed(stack)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_models_build_themselves_where_dbt_was_killed(stack, golden, read_marts, one_feed):
    shutil.copytree(golden, stack.landing, dirs_exist_ok=True)
    runs = ingest_and_publish_through_kills(stack, build=True)
    assert {"load_tracking_logs", "audit_marts", "publish_marts"} < set(tries(stack, runs))
    assert read_marts(stack.warehouse) == one_feed(stack)


def test_a_publication_names_the_run_that_an_asset_triggered(stack):
    holders = stack.query("select holder from ops.publications where status = 'published'")
    assert holders
    for (holder,) in holders:
        dag_id, _, run_id = holder.partition(" ")
        assert stack.api.run(dag_id, run_id)["run_type"] == "asset_triggered"


def test_nothing_new_announces_and_publishes_nothing(stack):
    before = stack.query("select max(publication_id) from ops.publications")
    runs = stack.ingest_and_publish()
    for dag_id, run_id in runs:
        loads = [one for one in stack.api.task_instances(dag_id, run_id) if one["task_id"].startswith("load_")]
        assert {one["state"] for one in loads} == {"skipped"}
    assert stack.query("select max(publication_id) from ops.publications") == before


def test_a_source_that_is_down_is_red_and_says_why_and_the_others_are_published(stack):
    stack.elsewhere.put("logs/edge-x/0x0000000000000000.log", OPEN.format(prefix=9).encode())
    stack.ingest_and_publish()
    published = "select event_id from marts.tracking_events where right(event_id, 18) = '0x00000000000000EE' order by 1"
    assert stack.query(published) == [("elsewhere:90x00000000000000EE",)]

    log = stack.landing / "logs" / "edge-d" / "0x0000000000000000.log"
    log.parent.mkdir(parents=True)
    log.write_text(OPEN.format(prefix=8), encoding="utf-8")
    stack.elsewhere.line.is_down = True
    stack.elsewhere.line.break_off()
    since = datetime.now(UTC).isoformat()
    with pytest.raises(
        MessageTrackingError, match=r"http://127\.0\.0\.1:\d+/ cannot be reached, 5 times in a row"
    ) as told:
        wait_for_runs(stack.api, start_ingests(stack.api))
    wait_for_publishing(stack.api, since)
    assert stack.query(published) == [("campaign:80x00000000000000EE",), ("elsewhere:90x00000000000000EE",)]
    stack.elsewhere.line.is_down = False

    assert stack.elsewhere.secret not in str(told.value)
    logs = [file.read_text(errors="replace") for file in (stack.settings.home / "logs").rglob("*") if file.is_file()]
    assert any("cannot be reached, 5 times in a row" in text for text in logs)
    assert not any(stack.elsewhere.secret in text for text in logs)
    xcoms = f"select count(*) from xcom where position('{stack.elsewhere.secret}' in value::text) > 0"
    assert stack.query_airflow(xcoms) == [(0,)]


def test_the_daily_audit_passes_what_is_right_and_names_what_is_not(stack):
    audit = "maintain_warehouse"
    wait_for_runs(stack.api, [(audit, start(stack.api, audit))])

    stack.execute("update mart_store.url_clicks set click_count = click_count + 1 where rank = 1")
    with pytest.raises(MessageTrackingError, match=r"differ from those computed anew, in url_clicks:"):
        wait_for_runs(stack.api, [(audit, start(stack.api, audit))])
    stack.execute("update mart_store.url_clicks set click_count = click_count - 1 where rank = 1")


def test_a_refused_file_turns_the_ingest_red_and_is_named(stack):
    export = stack.landing / "exports" / "recipients.csv"
    export.write_text("recipient_id,first_name\n1,Ada\n", encoding="utf-8")
    with pytest.raises(MessageTrackingError, match=r"report_refused_files[\s\S]*recipients\.csv"):
        stack.ingest_and_publish()


def test_poisoned_input_publishes_nothing_and_names_the_check(stack, golden, read_marts):
    shutil.copy(golden / "exports" / "recipients.csv", stack.landing / "exports" / "recipients.csv")
    ((foreign_url,),) = stack.query(
        "select min(url_id) from raw.tracked_urls where delivery_id <> 451400977 and url_id > 1"
    )
    before = read_marts(stack.warehouse)
    live = stack.query("select live_publication from ops.publication_state")
    file = stack.landing / "logs" / "edge-c" / "0x0000000000000000.log"
    file.parent.mkdir()
    file.write_text(FOREIGN_CLICKS.format(url=foreign_url), encoding="utf-8")

    with pytest.raises(MessageTrackingError) as refused:
        stack.ingest_and_publish()

    log = str(refused.value)
    assert "Task audit_marts, try 1" in log
    assert "critical: tracking_events: links_belong_to_the_delivery" in log
    assert "campaign:70x" in log
    assert read_marts(stack.warehouse) == before
    assert stack.query("select live_publication, candidate_publication from ops.publication_state") == [
        (*live[0], None)
    ]
    failed = stack.query(
        """
        select checks.relation, checks.check_name, checks.failing_count, count(keys.failing_key)
        from ops.publications
        join ops.check_runs using (publication_id)
        join ops.check_results as checks using (check_run_id)
        left join ops.failing_keys as keys using (check_result_id)
        where publications.status = 'refused' and checks.severity = 'critical' and not checks.is_success
        group by checks.check_result_id
        """
    )
    assert failed == [("tracking_events", "links_belong_to_the_delivery", 50, 50)]
    assert_that_the_on_call_is_told(stack)


def assert_that_the_on_call_is_told(stack):
    """Of the run that was refused, by its task's failure and as late; the mail server's password is nowhere."""
    run_id = stack.api.runs_since(PUBLISH, "2000-01-01T00:00:00Z")[-1]["dag_run_id"]

    def told():
        return {mail["subject"]: mail["body"] for mail in stack.mailbox.mails if run_id in mail["body"]}

    until = time.monotonic() + 60
    while not {f"{PUBLISH}: audit_marts failed", f"{PUBLISH} is late"} <= set(told()):
        assert time.monotonic() < until, told()
        time.sleep(0.2)
    assert "runbooks/refused_candidate.md" in told()[f"{PUBLISH}: audit_marts failed"]
    assert "links_belong_to_the_delivery" in told()[f"{PUBLISH}: audit_marts failed"]
    assert "runbooks/late_publication.md" in told()[f"{PUBLISH} is late"]
    logs = [file.read_text(errors="replace") for file in (stack.settings.home / "logs").rglob("*") if file.is_file()]
    assert logs
    assert not any(stack.mailbox.secret in text for text in [*logs, *(mail["whole"] for mail in stack.mailbox.mails)])
