"""The pages in a real browser, clicked through as a person would.

Playwright drives Debian's chromium; any request to a stranger, any word on the console and any serious finding of axe
fails the test that made it.
"""

import shutil
import socket
import threading
import time

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from tests.reports.conftest import GOLDEN, HOSTILE, TITLE

from message_tracking.migrating import GROUPS
from message_tracking.reports.access import served_alone

TOKEN = "token-of-the-test"
TABS = {
    "Tracking": "/tracking",
    "URLs and click streams": "/click-streams",
    "Tracking statistics": "/statistics",
    "Tracking indicators": "/indicators",
    "User activities": "/activities",
}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def address(published):
    """Where the pages are served, as `message-tracking reports` serves them."""
    readers = published.readers()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = served_alone(readers, TOKEN, frozenset(GROUPS))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    readers.close()


@pytest.fixture(scope="module")
def chromium():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("The pages are tested in Debian's chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, address):
    """Open a page of somebody who has logged in; at the end it must have been quiet and stayed at home."""
    opened, said, asked = [], [], []

    def open_page(**options):
        context = chromium.new_context(**options)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/login?token={TOKEN}")
        return page

    yield open_page
    for context in opened:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(address)] == []


def cells(page, caption):
    """The table of that caption, row by row."""
    table = page.get_by_role("table", name=caption, exact=True)
    rows = table.locator("tbody tr, tfoot tr").all()
    return [[text.strip() for text in row.locator("th, td").all_inner_texts()] for row in rows]


def test_a_person_clicks_from_the_list_to_every_report_of_the_worked_example(open_page, published):
    page = open_page()
    page.get_by_label("Search").fill("worked")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="Worked example").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Dashboard"
    for name, path in TABS.items():
        page.get_by_label("Reports of the delivery").get_by_role("link", name=name, exact=True).click()
        assert page.url.endswith(f"/deliveries/{GOLDEN}{path}")
        assert page.get_by_role("heading", level=1).inner_text() == name

    page.get_by_role("link", name="URLs and click streams").click()
    known = published.rows(
        "select rank, label, click_count from marts.url_label_clicks where delivery_id = %s order by 1", GOLDEN
    )
    shown = cells(page, "Top 10 most visited links")
    assert [(int(row[0]), row[2], int(row[3])) for row in shown[:-2]] == known
    assert [row[2:] for row in shown[-2:]] == [["Others", "0", "0.00 %"], ["Total", "15", "100.00 %"]]

    page.get_by_role("link", name="Tracking", exact=True).click()
    assert len(cells(page, "Tracking logs of the delivery")) == 19
    page.get_by_label("Type").select_option("Open")
    page.get_by_role("button", name="Filter").click()
    assert {row[2] for row in cells(page, "Tracking logs of the delivery")} == {"Open"}
    page.get_by_role("link", name="URLs", exact=True).click()
    assert [row[5] for row in cells(page, "Tracked URLs of the delivery")] == ["5", "5", "5"]


def test_the_switch_and_the_controls(open_page, published):
    page = open_page()
    page.get_by_role("link", name=TITLE).click()
    page.get_by_label("Reports of the delivery").get_by_role("link", name="Tracking indicators").click()
    everything, people = published.rows(
        "select total_click_count, human_total_click_count from marts.delivery_indicators where delivery_id = %s",
        HOSTILE,
    )[0]
    assert cells(page, "Generated click streams")[1][1] == str(everything)
    page.get_by_role("link", name="People only").click()
    assert cells(page, "Generated click streams")[1][1] == str(people)
    page.get_by_role("link", name="URLs and click streams").click()
    assert cells(page, "Top 10 most visited links")[-1][3] == str(people)
    page.get_by_label("Time filter").select_option("Over the first hour")
    page.get_by_label("Display").select_option("View by category")
    page.get_by_role("button", name="Refresh").click()
    assert "audience=people" in page.url
    assert [row[2] for row in cells(page, "Top 10 most visited links")] == ["promo", "Others", "Total"]
    page.get_by_text("Table of the chart").click()
    assert cells(page, "Clicks over time")
    page.get_by_role("link", name="Tracking statistics").click()
    page.get_by_label("Period").select_option("View for 6 hours")
    page.get_by_role("button", name="Refresh").click()
    assert len(cells(page, "Pareto")) == 9
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of Pareto").click()
    assert download.value.suggested_filename == "pareto.csv"


def test_a_person_finds_a_recipient_and_the_state_of_the_pipeline(open_page):
    page = open_page()
    page.get_by_role("link", name="Recipients").click()
    page.get_by_label("Recipient", exact=True).fill("p101@example.net")
    page.get_by_role("button", name="Find").click()
    assert "example.net" not in page.url
    page.get_by_role("link", name="101", exact=True).click()
    assert page.get_by_role("heading", level=1).inner_text() == "Last First"
    everything = len(cells(page, "Recipient tracking logs"))
    page.get_by_label("Type").select_option("Clicks only")
    page.get_by_role("button", name="Filter").click()
    clicks = cells(page, "Recipient tracking logs")
    assert {row[2] for row in clicks} == {"Email click"}
    assert len(clicks) < everything
    page.get_by_label("Recipient tracking logs", exact=True).get_by_role("link", name=TITLE).first.click()
    assert page.url.endswith(f"/deliveries/{HOSTILE}")
    page.get_by_role("link", name="Pipeline").click()
    assert ["hostile", "edge"] in [row[:2] for row in cells(page, "Sources and servers")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_is_accessible_and_as_wide_as_the_screen(open_page, address, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    reports = (f"/deliveries/{HOSTILE}{tab}" for tab in ("", "/tracking/urls", "/opens", *TABS.values()))
    for path in ("/", "/visitors/browsers", "/pipeline", "/recipients", "/recipients/101", *reports):
        page.goto(address + path)
        assert page.title() != "owned"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = Axe().run(page).response["violations"]
        assert [
            (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in {"serious", "critical"}
        ] == [], path


def test_the_keyboard_reaches_the_content_first(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#content")


def test_a_page_prints(open_page, address):
    page = open_page()
    page.goto(f"{address}/deliveries/{HOSTILE}/click-streams")
    assert page.pdf().startswith(b"%PDF")
