"""The pages as they are answered: figures, rights, addresses, files, and what they say when there is nothing to show."""

import csv
import html
import re
from decimal import Decimal

import pytest
from fastapi.routing import APIRoute
from psycopg2 import sql
from starlette.testclient import TestClient
from tests.conftest import execute
from tests.reports.conftest import EMPTY, GOLDEN, HOSTILE, LABELS, SCRIPT, TITLE

from message_tracking.embedded import SUPERUSER
from message_tracking.migrating import GROUPS
from message_tracking.reports.access import served_alone
from message_tracking.reports.app import reports_app
from message_tracking.reports.pages import tracking
from message_tracking.reports.reading import Audience, Readers, Sessions, Snapshot, connect_as_reader
from message_tracking.reports.routes import router
from message_tracking.reports.viewing import Viewer
from message_tracking.warehouse import Warehouse

REPORTS = (
    "",
    "/tracking",
    "/tracking/urls",
    "/click-streams",
    "/statistics",
    "/indicators",
    "/activities",
    "/delivery-statistics",
    "/opens",
    "/sharing",
    "/summary",
    "/bounces",
)
OF_DELIVERIES = [f"/deliveries/{delivery_id}{report}" for delivery_id in (GOLDEN, HOSTILE, EMPTY) for report in REPORTS]


def text_of(response):
    """The words of a page, as they are read."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", response.text).split()))


def rows_of(response):
    """The rows of an exported table."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(response.text.splitlines()))


@pytest.mark.parametrize("path", ["/", "/visitors/browsers", "/visitors/operating-systems", *OF_DELIVERIES])
def test_each_page_says_when_and_from_what_it_was_calculated(pages, path):
    response = pages.get(path)
    assert response.status_code == 200
    assert re.search(r"Calculated: \d{4}-.* UTC · publication 1 \(live\) · automatic events are in", text_of(response))
    assert "hostile edge" in text_of(response)
    assert "automatic events are left out" in text_of(pages.get(path, params={"audience": "people"}))


def test_the_indicators_of_the_worked_example(pages, expected):
    said = text_of(pages.get(f"/deliveries/{GOLDEN}/indicators"))
    printed = expected["printed_by_the_documentation"]
    for label, key in (
        ("Distinct opens for the population reached", "estimated_recipient_open_count"),
        ("Sum of opens for the population reached", "estimated_total_open_count"),
        ("Estimation of forwards", "forward_count"),
        ("Distinct clicks for the population reached", "person_click_count"),
        ("Cumulated clicks", "total_click_count"),
    ):
        rate = f"{Decimal(printed[key]) / printed['success_count'] * 100:.2f}"
        assert f"{label} {printed[key]} {rate} %" in said
    assert "Estimated recipient reactivity \u2013 66.67 %" in said
    assert "Others 4 0 0.000 % 3 75.00 % 2 50.00 % 66.67 %" in said


def test_the_click_streams_of_the_worked_example(pages):
    response = pages.get(f"/deliveries/{GOLDEN}/click-streams")
    for rate in ("Reactivity 66.67 %", "Distinct clicks 150.00 %", "Cumulated clicks 375.00 %"):
        assert rate in text_of(response)
    assert "1 L1 5 33.33 % 2 L2 5 33.33 % 3 L3 5 33.33 % Others 0 0.00 % Total 15 100.00 %" in text_of(response)
    within = text_of(pages.get(f"/deliveries/{GOLDEN}/click-streams", params={"window": "1h", "mode": "url"}))
    assert "Total 15 100.00 %" in within


@pytest.mark.parametrize("mode", ["label", "url", "category"])
@pytest.mark.parametrize("audience", ["everything", "people"])
def test_a_window_that_holds_all_shows_what_the_marts_hold(pages, mode, audience):
    asked = {"mode": mode, "audience": audience, "top": 20, "table": "links"}
    path = f"/deliveries/{HOSTILE}/click-streams"
    all_time = rows_of(pages.get(path, params=asked))
    assert all_time == rows_of(pages.get(path, params=asked | {"window": "1m"}))
    assert int(all_time[-1]["Clicks"]) == (65 if audience == "everything" else 45)


def test_the_statistics_are_those_of_the_mart_and_of_a_period_those_until_its_end(pages, published):
    known = published.rows(
        "select percent, seconds_to_percent from marts.tracking_statistics where delivery_id = %s and series = 'clicks' order by 1",
        GOLDEN,
    )
    path = f"/deliveries/{GOLDEN}/statistics"
    for period in ("all", "1h"):
        shown = rows_of(pages.get(path, params={"period": period, "table": "pareto"}))
        assert [Decimal(row["Clicks"]) for row in shown] == [seconds for _, seconds in known]
    assert "10 % 5mn 5mn \u2013" in text_of(pages.get(path))


@pytest.mark.parametrize(
    ("report", "table", "row"),
    [
        ("activities", "activity", ["Monday", "4", "15", "0"]),
        ("activities?interval=half_hour", "activity", ["15:00", "4", "15", "0"]),
        ("delivery-statistics", "domains", ["Others", "4", "1", "0", "0", "0.75", "1.5", "0"]),
        ("opens", "operating_system", ["Total", "4", "1"]),
        ("summary", "sent", ["Success", "4", "1"]),
    ],
)
def test_the_other_reports_of_the_worked_example(pages, report, table, row):
    shown = rows_of(pages.get(f"/deliveries/{GOLDEN}/{report}{'&' if '?' in report else '?'}table={table}"))
    assert row in [list(one.values()) for one in shown]


@pytest.mark.parametrize("audience", ["everything", "people"])
def test_browsers_are_those_of_the_last_days_with_visitors(pages, published, audience):
    count = "visitor_count" if audience == "everything" else "human_visitor_count"
    known = published.rows(
        f"select name, sum({count}) from marts.browser_statistics"
        " where activity_date > (select max(activity_date) from marts.browser_statistics) - 7 group by name"
    )
    shown = rows_of(pages.get("/visitors/browsers", params={"days": 7, "table": "browsers", "audience": audience}))
    assert {row["Name"]: int(row["Visitors"]) for row in shown} == dict(known)
    assert sum(Decimal(row["Usage rate"]) for row in shown) == 1


def test_the_switch_leaves_machines_out(pages, published):
    (everything, people), *_ = published.rows(
        "select total_click_count, human_total_click_count from marts.delivery_indicators where delivery_id = %s",
        HOSTILE,
    )
    assert people < everything
    path = f"/deliveries/{HOSTILE}/indicators"
    assert f"Cumulated clicks {everything} " in text_of(pages.get(path))
    assert f"Cumulated clicks {people} " in text_of(pages.get(path, params={"audience": "people"}))


@pytest.mark.parametrize("audience", ["everything", "people"])
def test_the_logs_are_paged_by_key_without_a_gap(pages, published, monkeypatch, audience):
    monkeypatch.setattr(tracking, "PAGE_SIZE", 7)
    path, found = f"/deliveries/{HOSTILE}/tracking?audience={audience}", []
    while path:
        page = pages.get(path)
        found += re.findall(r'<td class="code">(hostile:\w+)</td>', page.text)
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        path = older and html.unescape(older[1])
    counted = "is_counted" if audience == "everything" else "human_is_counted"
    order = f"where delivery_id = %s and {counted} order by occurred_at desc, event_id desc"
    assert found == [
        event for (event,) in published.rows(f"select event_id from marts.tracking_events {order}", HOSTILE)
    ]
    assert f"7 shown / {len(found)}" in text_of(pages.get(f"/deliveries/{HOSTILE}/tracking?audience={audience}"))


def test_the_filters_of_the_logs(pages):
    path = f"/deliveries/{GOLDEN}/tracking"
    assert len(rows_of(pages.get(path, params={"table": "logs"}))) == 19
    for asked, count in (
        ({"event_type": "open"}, 4),
        ({"label": "L2"}, 5),
        ({"recipient_id": "103"}, 13),
        ({"since": "2012-02-20T15:06", "until": "2012-02-20T15:08"}, 5),
        ({"event_type": "click", "recipient_id": "101"}, 0),
    ):
        assert len(rows_of(pages.get(path, params=asked | {"table": "logs"}))) == count
        assert f"{count} shown / 19" in text_of(pages.get(path, params=asked))


@pytest.mark.parametrize("path", ["/", *OF_DELIVERIES[len(REPORTS) : 2 * len(REPORTS)]])
def test_hostile_texts_are_texts(pages, path):
    answer = pages.get(path).text
    assert SCRIPT not in answer
    assert "<img" not in answer
    assert "<style>" not in answer
    assert html.escape(SCRIPT, quote=True).replace("&#x27;", "&#39;") in answer


def test_a_spreadsheet_is_given_no_formula(pages):
    shown = rows_of(pages.get(f"/deliveries/{HOSTILE}/tracking/urls", params={"table": "urls"}))
    assert {row["Label"] for row in shown} == {*LABELS.values(), "'=HYPERLINK(1)"} - {"=HYPERLINK(1)"}


def test_the_list_is_searched_and_sorted(pages):
    assert [row["Label"] for row in rows_of(pages.get("/", params={"search": "worked", "table": "deliveries"}))] == [
        "Worked example"
    ]
    assert rows_of(pages.get("/", params={"search": "%", "table": "deliveries"})) == []
    ordered = rows_of(pages.get("/", params={"sort": "to_deliver", "order": "desc", "table": "deliveries"}))
    assert [row["To send"] for row in ordered] == ["20", "4", "0"]
    assert "No delivery matches" in text_of(pages.get("/", params={"search": "nothing like it"}))


@pytest.mark.parametrize("report", REPORTS[1:])
def test_a_delivery_without_events_has_pages_all_the_same(pages, report):
    assert re.search(
        r"Nothing to show|there is nothing to draw|0\.00 %", text_of(pages.get(f"/deliveries/{EMPTY}{report}"))
    )


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("/deliveries/77", 404, "There is no delivery 77 in publication 1."),
        ("/?publication=77", 410, "Publication 77 cannot be shown"),
        ("/?publication=x", 400, "publication"),
        ("/?sort=label;drop", 400, "sort"),
        ("/?search=%00", 400, "search"),
        ("/?table=none", 404, "no such table"),
        (f"/deliveries/{2**63}", 400, "delivery_id"),
        (f"/deliveries/{GOLDEN}/tracking?since=2012-13-45", 400, "since"),
        ("/nowhere", 404, "Nothing here"),
    ],
)
def test_what_cannot_be_shown_is_said(pages, path, code, said):
    response = pages.get(path)
    assert response.status_code == code
    assert said in text_of(response)
    assert "Traceback" not in response.text


ANOTHER_PUBLICATION = (
    """
    insert into ops.publications (
        status, base_publication_id, from_position, to_position, is_full, holder, lease_until, published_at, is_kept
    )
    select status, 1, to_position, to_position, false, holder, lease_until, now(), true from ops.publications
    """,
    f"create temporary table changed as select * from mart_store.delivery_indicators where delivery_id = {GOLDEN}",
    "update changed set valid_from = 2, total_click_count = 99",
    f"update mart_store.delivery_indicators set valid_to = 2 where delivery_id = {GOLDEN}",
    "insert into mart_store.delivery_indicators select * from changed",
    "update ops.publication_state set live_publication = 2",
)
CLICKS = "select {total_click_count} as clicks from marts.delivery_indicators where delivery_id = %(delivery_id)s"


def test_a_page_keeps_to_its_publication(published):
    path = f"/deliveries/{GOLDEN}/indicators"
    with published.copy() as copied:
        readers = copied.readers()
        pages = TestClient(reports_app(readers, lambda: Viewer("somebody", frozenset({"bi_reader"}))))
        with readers.snapshot("bi_reader", Audience.EVERYTHING) as snapshot:
            execute(copied.url(SUPERUSER), *ANOTHER_PUBLICATION)
            assert snapshot.rows(CLICKS, delivery_id=GOLDEN) == [{"clicks": 15}]
        live, pinned = (text_of(pages.get(path, params=asked)) for asked in ({}, {"publication": 1}))
        assert "publication 2 (live)" in live
        assert "Cumulated clicks 99 " in live
        assert "publication 1 \u00b7" in pinned
        assert "Cumulated clicks 15 " in pinned
        execute(copied.url(SUPERUSER), "update ops.publications set is_kept = false where publication_id = 1")
        assert pages.get(path, params={"publication": 1}).status_code == 410


def test_links_keep_the_publication_and_the_audience(pages):
    answer = pages.get("/", params={"publication": 1, "audience": "people"}).text
    links = [html.unescape(link) for link in re.findall(r'href="(/deliveries/[^"]+)"', answer)]
    assert links
    assert all("publication=1" in link and "audience=people" in link for link in links)


def test_nobody_is_let_in_without_a_login():
    pages = TestClient(served_alone(Readers({}, "UTC"), "secret", frozenset(GROUPS)), base_url="http://127.0.0.1")
    # Who is not let in learns not even whether there is such a report.
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) >= 7
    for route in routes:
        path = route.path.format(delivery_id=1, recipient_id=1, report="any")
        for method in route.methods:
            assert pages.request(method, path).status_code == 401
            headers = {"Cookie": "message_tracking_reports=x"}
            assert pages.request(method, path, headers=headers).status_code == 401
    assert pages.get("/login?token=wrong").status_code == 401
    assert TestClient(pages.app, base_url="http://rebound.example").get("/login").status_code == 400


def test_the_token_lets_in(published):
    pages = TestClient(served_alone(published.readers(), "secret", frozenset(GROUPS)), base_url="http://127.0.0.1")
    assert 'type="password"' in pages.get("/login").text
    assert pages.post("/login", data={"token": "secret"}).status_code == 200
    cookie = pages.get("/login?token=secret", follow_redirects=False).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


@pytest.mark.parametrize("path", ["/", *OF_DELIVERIES[: len(REPORTS)]])
def test_a_group_sees_its_own_pages_only(open_as, path):
    assert open_as("ops_reader").get(path).status_code == 403


def test_the_pages_forbid_scripts_and_strangers(pages):
    for path in ("/", "/nowhere", "/static/reports.css"):
        policy = pages.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self';")
        assert "unsafe" not in policy


def as_reader(url):
    return reports_app(
        Readers({"bi_reader": Sessions(lambda: connect_as_reader(Warehouse(url)))}, "UTC"),
        lambda: Viewer("somebody", frozenset({"bi_reader"})),
    )


def test_a_warehouse_that_is_away():
    response = TestClient(as_reader("postgresql://u:secret@127.0.0.1:1/warehouse")).get("/")
    assert response.status_code == 503
    assert "The warehouse is away" in text_of(response)
    assert "secret" not in response.text


def test_a_session_that_was_cut_is_not_used_again(pages, published):
    assert pages.get("/").status_code == 200
    with published.readers().sessions["bi_reader"].one() as connection, connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'message-tracking reports' and pid <> pg_backend_pid()"
        )
    assert pages.get("/").status_code == 200


def test_a_warehouse_in_which_nothing_was_published(url_of):
    response = TestClient(as_reader(url_of("bi_reader_login"))).get("/")
    assert response.status_code == 404
    assert "Nothing has been published yet" in text_of(response)


def explained_plans(monkeypatch):
    """The plans of all queries that pages ask from now on."""
    run, plans = Snapshot.rows, []

    def explained(snapshot, query, **values):
        # Of so few rows the planner would read any table whole.
        run(snapshot, "select set_config('enable_seqscan', 'off', true)")
        plans.append("\n".join(row["QUERY PLAN"] for row in run(snapshot, f"explain {query}", **values)))
        return run(snapshot, query, **values)

    monkeypatch.setattr(Snapshot, "rows", explained)
    return plans


def test_what_a_delivery_shows_is_looked_up_by_index(pages, monkeypatch):
    plans = explained_plans(monkeypatch)
    for path in [*OF_DELIVERIES[: len(REPORTS)], f"/deliveries/{GOLDEN}/click-streams?window=6h&mode=category"]:
        assert pages.get(path).status_code == 200
    stored = [plan for plan in plans if "delivery_id" in plan]
    assert len(stored) >= 15
    for plan in stored:
        assert "Seq Scan" not in plan, plan
        assert re.search(r"Index Cond: .*delivery_id = ", plan), plan


def as_ops(published, **options):
    return TestClient(
        reports_app(published.readers(), lambda: Viewer("somebody", frozenset({"ops_reader"}))), **options
    )


def test_the_pipeline_page_shows_what_ops_holds(open_as, published):
    pages = open_as("ops_reader")
    with published.readers().operations("ops_reader") as reading:
        servers = reading.rows("select * from ops.source_freshness order by source, server")
        published_ones = reading.rows("select * from ops.publications order by publication_id desc")
        suites = reading.rows(
            "select suite, count(*) from ops.check_runs inner join ops.check_results using (check_run_id) group by suite"
        )
    shown = rows_of(pages.get("/pipeline", params={"table": "freshness"}))
    keys = ("source", "server", "newest_event_at", "loaded_at", "gap_count", "rejected_count")
    headings = ("Source", "Server", "Newest event", "Read", "Missing ids", "Rejected lines")
    assert [[row[heading] for heading in headings] for row in shown] == [
        [row[key].isoformat() if key.endswith("_at") else str(row[key]) for key in keys] for row in servers
    ]
    shown = rows_of(pages.get("/pipeline", params={"table": "publications"}))
    assert [(row["Publication"], row["State"], row["Events"], row["Verdict"]) for row in shown] == [
        ("1", "live", str(row["event_count"]), row["verdict"]) for row in published_ones
    ]
    shown = rows_of(pages.get("/pipeline", params={"table": "suites"}))
    assert suites
    assert {row["Suite"]: int(row["Checks"]) for row in shown} == {row["suite"]: row["count"] for row in suites}
    assert "hostile edge" in text_of(pages.get("/pipeline"))


TROUBLE = (
    sql.SQL(
        """
        insert into ops.file_ledger (
            source_id, kind, file_name, status, line_count, rejected_count, error, warnings, sample_rejects
        )
        select source_id, 'recipients', 'persons.csv', 'failed', 3, 3, {script}, {warnings}, {rejects}
        from ops.sources where source = 'hostile'
        """
    ).format(
        script=sql.Literal(SCRIPT),
        warnings=sql.Literal('["=A1"]'),
        rejects=sql.Literal(
            '[{"reason": "no_number", "line_number": 8, "raw_line": "someone@example.net"},'
            ' {"reason": "no_number", "line_number": 7, "raw_line": "someone@example.net"},'
            ' {"reason": "too_long", "line_number": 9, "raw_line": "someone@example.net"}]'
        ),
    ),
    sql.SQL(
        """
        insert into ops.check_results (
            check_run_id, relation, check_name, severity, is_success, failing_count, message
        )
        select max(check_run_id), 'audit.deliveries', 'one_of', 'warning', false, 1234, {} from ops.check_runs
        """
    ).format(sql.Literal(SCRIPT)),
    "update ops.publications set holder = 'publish_tracking_marts manual__2026-01-01T00:00:00+00:00'",
)


def test_the_pipeline_page_shows_what_went_wrong(published):
    with published.copy() as copied:
        execute(copied.url(SUPERUSER), *TROUBLE)
        pages = as_ops(copied, root_path="/airflow/message-tracking")
        whole = pages.get("/pipeline")
        run = "/airflow/dags/publish_tracking_marts/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00"
        assert f'href="{run}"' in whole.text
        assert SCRIPT not in whole.text
        assert "someone@example.net" not in whole.text
        assert "audit.deliveries one_of 1,234" in text_of(whole)
        tables = {
            name: [list(row.values()) for row in rows_of(pages.get("/pipeline", params={"table": name}))]
            for name in ("rejected", "reasons", "messages", "failures")
        }
        assert [row[:6] for row in tables["rejected"]] == [["hostile", "recipients", "", "persons.csv", "3", "3"]]
        assert tables["reasons"] == [
            ["no_number", "2", "hostile", "persons.csv", "7"],
            ["too_long", "1", "hostile", "persons.csv", "9"],
        ]
        assert [row[:4] for row in tables["messages"]] == [
            ["Refused", "hostile", "persons.csv", SCRIPT],
            ["Warning", "hostile", "persons.csv", "'=A1"],
        ]
        assert tables["failures"][0][2:6] == ["warning", "audit.deliveries", "one_of", "1234"]
        assert "/dags/" not in as_ops(copied).get("/pipeline").text


def test_the_pipeline_page_is_open_to_engineers_only(open_as):
    others = open_as("bi_reader", "tracking_analyst")
    assert others.get("/pipeline").status_code == 403
    assert 'href="/pipeline"' not in others.get("/").text
    assert 'href="/pipeline"' in open_as("bi_reader", "ops_reader").get("/").text


def test_a_recipient_is_found_by_id_and_by_address(open_as):
    persons = open_as("tracking_analyst")
    for wanted in ("101", " p101@example.net "):
        found = persons.post("/recipients", data={"wanted": wanted})
        assert re.findall(r'href="(/recipients/\d+)"', found.text) == ["/recipients/101"]
    for wanted in ("999999", "9" * 30, "p101@example", "%", "' or true --", SCRIPT):
        found = persons.post("/recipients", data={"wanted": wanted})
        assert "No recipient has that id or that address." in found.text
        assert SCRIPT not in found.text
    assert persons.post("/recipients", data={"wanted": "\0"}).status_code == 400
    assert persons.get("/recipients").status_code == 200


@pytest.mark.parametrize("audience", ["everything", "people"])
def test_the_logs_of_a_recipient_are_paged_by_key_without_a_gap(open_as, published, monkeypatch, audience):
    monkeypatch.setattr(tracking, "PAGE_SIZE", 2)
    persons, path, found = open_as("tracking_analyst"), f"/recipients/101?audience={audience}", []
    while path:
        page = persons.get(path)
        found += re.findall(r"<tr><td class=\"time\">(.*?)</td><td", re.sub(r"\s*\n\s*", "", page.text))
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        path = older and html.unescape(older[1])
    counted = "is_counted" if audience == "everything" else "human_is_counted"
    known = published.rows(
        f"select occurred_at from marts.tracking_events where recipient_id = 101 and {counted} order by 1 desc"
    )
    assert len(known) >= 4
    assert found == [f"{at:%Y-%m-%d %H:%M:%S} UTC" for (at,) in known]
    assert f"2 shown / {len(known)}" in text_of(persons.get(f"/recipients/101?audience={audience}"))


def test_the_filters_of_a_recipients_logs(open_as, published):
    persons = open_as("tracking_analyst")
    known = published.rows(
        "select delivery_id, event_type, occurred_at from marts.tracking_events where recipient_id = 101 and is_counted"
    )
    first, last = min(at for *_, at in known), max(at for *_, at in known)
    for asked, count in (
        ({}, len(known)),
        ({"clicks": "only"}, sum(kind == "click" for _, kind, _ in known)),
        ({"delivery_id": HOSTILE}, sum(delivery == HOSTILE for delivery, *_ in known)),
        ({"delivery_id": EMPTY}, 0),
        ({"since": f"{first:%Y-%m-%dT%H:%M}"}, len(known)),
        ({"until": f"{first:%Y-%m-%dT%H:%M}"}, 0),
        ({"since": f"{last:%Y-%m-%dT%H:%M}"}, sum(at >= last.replace(second=0, microsecond=0) for *_, at in known)),
    ):
        rows = rows_of(persons.get("/recipients/101", params=asked | {"table": "logs"}))
        assert len(rows) == count, asked
        assert f"{count} shown / {len(known)}" in text_of(persons.get("/recipients/101", params=asked))


def test_the_page_of_a_recipient_says_who_it_is_and_escapes_what_it_shows(open_as, published):
    whole = open_as("tracking_analyst").get("/recipients/101")
    assert "Last First p101@example.net (101)" in text_of(whole)
    [(name,)] = published.rows("select internal_name from marts.deliveries where delivery_id = %s", HOSTILE)
    assert f"{TITLE} ({name})" in html.unescape(whole.text)
    assert SCRIPT not in whole.text
    assert 'href="/deliveries/' not in whole.text
    assert f'href="/deliveries/{HOSTILE}"' in open_as("bi_reader", "tracking_analyst").get("/recipients/101").text
    for recipient_id in (0, 999999):
        missing = open_as("tracking_analyst").get(f"/recipients/{recipient_id}")
        assert missing.status_code == 404
        assert f"There is no recipient {recipient_id} in publication 1." in text_of(missing)


def test_recipients_are_shown_to_analysts_only(open_as):
    others = open_as("bi_reader", "ops_reader")
    for path in ("/recipients", "/recipients/101"):
        assert others.get(path).status_code == 403
    assert others.post("/recipients", data={"wanted": "101"}).status_code == 403
    assert 'href="/recipients"' not in others.get("/").text
    assert 'href="/recipients"' in open_as("bi_reader", "tracking_analyst").get("/").text


def test_a_recipient_is_looked_up_by_index(open_as, monkeypatch):
    plans = explained_plans(monkeypatch)
    persons = open_as("tracking_analyst")
    assert persons.get("/recipients/101").status_code == 200
    assert persons.post("/recipients", data={"wanted": "101"}).status_code == 200
    stored = [plan for plan in plans if "recipient_id" in plan]
    assert len(stored) == 4
    for plan in stored:
        assert "Seq Scan" not in plan, plan
        assert re.search(r"Index Cond: .*recipient_id = ", plan), plan
