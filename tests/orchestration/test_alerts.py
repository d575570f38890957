"""Alerts as Airflow sends them, in a process of its own, to a real mail server."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.orchestration.mailbox import Mailbox, mail_server

from message_tracking.settings import PROJECT

Send = Callable[..., dict[str, Any]]

RUN = "scheduled__2026-01-05T10:00:00+00:00"
SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
MAIL = json.dumps([{"notifier": SMTP, "to": "oncall@example.com"}])

FAIL = f"""
import io, json, logging, os
from types import SimpleNamespace
from airflow.sdk.log import mask_secret
from message_tracking_airflow.alerts import tell_of_failure

logged = io.StringIO()
logging.getLogger("message_tracking_airflow.alerts").addHandler(logging.StreamHandler(logged))
mask_secret("hunter2-of-the-warehouse")
ti = SimpleNamespace(
    dag_id="ingest_tracking_logs", task_id=os.environ["TASK"], run_id={RUN!r}, rendered_map_index="campaign edge",
    log_url="http://127.0.0.1:8080/log",
)
told = ""
try:
    tell_of_failure({{"ti": ti, "exception": RuntimeError(os.environ["EXCEPTION"])}})
except Exception as error:
    told = str(error)
print("\\n" + json.dumps({{"told": told, "log": logged.getvalue()}}))
"""

BE_LATE = f"""
import json, os, sys
import structlog
from airflow.sdk.execution_time.callback_supervisor import execute_callback
from message_tracking_airflow.alerts import late_run_alert

callback = late_run_alert().callback.serialize()
run = {{"dag_id": os.environ["DAG"], "dag_run_id": {RUN!r}, "queued_at": "2026-01-05T10:00:00Z", "state": "running"}}
succeeded, error = execute_callback(
    callback["path"], callback["kwargs"] | {{"context": {{"dag_run": run}}}}, None, None, structlog.get_logger()
)
print("\\n" + json.dumps({{"succeeded": succeeded, "error": error}}))
"""

# Airflow comes first: it lets the plugins be found.
CONFIGURE = """
import json, os
import airflow.sdk.log
from message_tracking.errors import ConfigurationError
from message_tracking_airflow.alerts import configured_notifiers

told = {}
for configuration in json.loads(os.environ["CONFIGURATIONS"]):
    os.environ["AIRFLOW_VAR_MESSAGE_TRACKING_ALERTS"] = configuration
    try:
        told[configuration] = str(configured_notifiers())
    except ConfigurationError as error:
        told[configuration] = str(error)
print("\\n" + json.dumps({"told": told}))
"""

DESCRIBE_ALERTS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from message_tracking_airflow.alerts import ADVICE, LATE, RUNBOOKS

bag = DagBag(sys.argv[1])


def callbacks(task):
    found = task.on_failure_callback
    return [one.__name__ for one in (found if isinstance(found, (list, tuple)) else [found])]


print("\\n" + json.dumps({
    "runbooks": sorted(set(ADVICE) | set(RUNBOOKS.values()) | {LATE}),
    "advice": sorted(ADVICE),
    "of_tasks": RUNBOOKS,
    "tasks": sorted({task.task_id for dag in bag.dags.values() for task in dag.tasks}),
    "silent": [
        task.task_id for dag in bag.dags.values() for task in dag.tasks
        if "tell_of_failure" not in callbacks(task)
    ],
    "deadlines": {
        dag.dag_id: [(one.interval.total_seconds(), one.callback.path) for one in dag.deadline or []]
        for dag in bag.dags.values()
    },
}))
"""


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture
def send(inspect, mailbox) -> Send:
    """Run a script with notifiers configured as JSON, by default one that mails; gives what it printed."""

    def run(script: str, notifiers: str = MAIL, **environment: str) -> dict[str, Any]:
        mailbox.mails.clear()
        configured = {
            "AIRFLOW_CONN_SMTP_DEFAULT": mailbox.connection,
            "AIRFLOW_VAR_MESSAGE_TRACKING_ALERTS": notifiers,
        }
        return dict(inspect(script, **{**configured, **environment}))

    return run


@pytest.fixture(scope="module")
def alerts(inspect) -> dict[str, Any]:
    return dict(inspect(DESCRIBE_ALERTS))


def test_a_failed_task_is_mailed_with_its_runbook_and_without_secrets(send, mailbox):
    exception = "Cannot connect to postgresql://pipeline:hunter2-of-the-warehouse@h/db\nfor <a reason> {{ alert.text }}"
    done = send(FAIL, TASK="load_tracking_logs", EXCEPTION=exception, MESSAGE_TRACKING_RUNBOOKS="https://wiki.example/")
    assert done["told"] == ""
    assert done["log"] == ""
    (mail,) = mailbox.mails
    assert mail["to"] == "oncall@example.com"
    assert mail["subject"] == "ingest_tracking_logs: load_tracking_logs [campaign edge] failed"
    for part in (
        RUN,
        "Cannot connect to postgresql://pipeline:***@h/db for &lt;a reason&gt; {{ alert.text }}",
        '<a href="https://wiki.example/source_down.md">https://wiki.example/source_down.md</a>',
        '<a href="http://127.0.0.1:8080/log">',
    ):
        assert part in mail["body"], part
    assert not re.search(f"hunter2|{mailbox.secret}", mail["whole"])


def test_one_notifier_that_fails_keeps_no_other_from_telling(send, mailbox):
    wrong = {"notifier": SMTP, "to": "nobody@example.com", "smtp_conn_id": "smtp_elsewhere"}
    right = {"notifier": SMTP, "to": "oncall@example.com", "subject": "{{ alert.dag_id }} of ours"}
    address = mailbox.connection.replace(mailbox.secret, "a-wrong-password")
    done = send(FAIL, json.dumps([wrong, right]), TASK="anything", EXCEPTION="x", AIRFLOW_CONN_SMTP_ELSEWHERE=address)
    assert [(mail["to"], mail["subject"]) for mail in mailbox.mails] == [
        ("oncall@example.com", "ingest_tracking_logs of ours")
    ]
    assert "docs/runbooks/failed_task.md" in mailbox.mails[0]["body"]
    assert done["told"].startswith("SmtpNotifier could not tell this")
    assert "SmtpNotifier failed" in done["log"]
    assert "a-wrong-password" not in done["told"] + done["log"]


def test_where_no_notifier_is_configured_the_log_has_the_alert(send, mailbox):
    done = send(FAIL, "[]", TASK="audit_marts", EXCEPTION="bad data")
    assert done["told"] == ""
    assert mailbox.mails == []
    assert "names no notifier, so nobody is told" in done["log"]
    assert "bad data" in done["log"]
    assert "docs/runbooks/refused_candidate.md" in done["log"]


def test_a_wrong_configuration_is_named(inspect):
    wrong = {
        "[": "is no JSON",
        "{}": "is no list",
        '["mail"]': "Notifier 1 ",
        f"{MAIL[:-1]}, {{}}]": "Notifier 2 .* missing 1 required positional argument: 'notifier'",
        '[{"notifier": "no.such.Notifier"}]': "Notifier 1 .*No module named 'no'",
        '[{"notifier": "os.system"}]': "os.system is no notifier",
        json.dumps([{"notifier": SMTP, "whom": "x"}]): "Notifier 1 .*'(to|whom)'",
    }
    told = inspect(CONFIGURE, CONFIGURATIONS=json.dumps(list(wrong)))["told"]
    for configuration, expected in wrong.items():
        assert re.search(expected, told[configuration]), configuration
        assert "docs/cookbooks/be_told.md" in told[configuration]


def test_a_late_load_is_mailed(send, mailbox):
    assert send(BE_LATE, DAG="ingest_tracking_logs") == {"succeeded": True, "error": None}
    (mail,) = mailbox.mails
    assert mail["subject"] == "ingest_tracking_logs is late"
    assert "queued at 2026-01-05T10:00:00Z and is running" in mail["body"]
    assert "docs/runbooks/late_publication.md" in mail["body"]


def test_a_late_publication_is_mailed_only_while_readers_lack_something(send, mailbox, warehouse, connection):
    environment = {"DAG": "publish_tracking_marts", "AIRFLOW_CONN_TRACKING_WAREHOUSE": warehouse.url}
    assert send(BE_LATE, **environment)["succeeded"]
    assert mailbox.mails == []
    with connection, connection.cursor() as cursor:
        cursor.execute("insert into ops.sources (source) values ('campaign')")
        cursor.execute(
            """
            insert into ops.file_ledger (
                source_id, kind, server, file_name, status, line_count, accepted_count, position, pulled_at
            )
            select source_id, 'recipients', '', 'f', 'loaded', 1, 1, nextval('ops.load_position'), '2026-01-05 09:58Z'
            from ops.sources
            """
        )
    assert send(BE_LATE, **environment)["succeeded"]
    (mail,) = mailbox.mails
    assert mail["subject"] == "publish_tracking_marts is late"
    assert "What was loaded since 2026-01-05 09:58 UTC is not published." in mail["body"]


def test_a_late_publication_is_mailed_where_the_warehouse_does_not_answer(send, mailbox):
    down = "postgresql://tracking_pipeline:hunter2@127.0.0.1:1/message_tracking"
    assert send(BE_LATE, DAG="publish_tracking_marts", AIRFLOW_CONN_TRACKING_WAREHOUSE=down)["succeeded"]
    (mail,) = mailbox.mails
    assert "The warehouse does not answer" in mail["body"]
    assert "hunter2" not in mail["whole"]


def test_a_deadline_that_is_no_number_is_refused(send):
    with pytest.raises(AssertionError, match="MESSAGE_TRACKING_LATE_MINUTES is 'soon'"):
        send(BE_LATE, DAG="x", MESSAGE_TRACKING_LATE_MINUTES="soon")


def test_every_alert_has_a_runbook_that_exists(alerts):
    pages = {page.stem for page in (PROJECT / "docs" / "runbooks").glob("*.md")}
    assert set(alerts["runbooks"]) <= pages
    assert alerts["runbooks"] == alerts["advice"]
    # None is chosen by a task that was renamed.
    assert set(alerts["of_tasks"]) <= set(alerts["tasks"])


def test_every_task_tells_when_it_fails(alerts):
    assert alerts["silent"] == []


def test_what_readers_wait_for_has_a_deadline(alerts):
    told = [[3600.0, "message_tracking_airflow.alerts.tell_of_lateness"]]
    assert {dag_id for dag_id, deadlines in alerts["deadlines"].items() if deadlines == told} == {
        "ingest_delivery_data",
        "ingest_tracking_logs",
        "publish_tracking_marts",
    }


def test_pages_name_only_runbooks_that_exist():
    pages = [*(PROJECT / "docs").rglob("*.md"), *(PROJECT / "dags").glob("*.py"), PROJECT / "README.md"]
    named = {name for page in pages for name in re.findall(r"runbooks/(\w+\.md)", page.read_text(encoding="utf-8"))}
    assert named
    assert named <= {page.name for page in (PROJECT / "docs" / "runbooks").iterdir()}
