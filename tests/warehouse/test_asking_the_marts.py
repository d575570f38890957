"""The answers of docs/cookbooks/ask_the_marts.md, against figures that are counted here from exports and single events."""

import csv
import re
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import psycopg2
import pytest
from tests.conftest import new_database
from tests.warehouse.conftest import FIXTURES, Landing, Pipeline

from message_tracking.migrating import login_name
from message_tracking.settings import PROJECT, Settings
from message_tracking.warehouse import PIPELINE_ROLE, Warehouse, fetch_all

PAGE = (PROJECT / "docs" / "cookbooks" / "ask_the_marts.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
EVERYBODY, PEOPLE = (
    dict(re.findall(r"^\| ([^|`]+) \| `(.+)` \|$", part, re.MULTILINE)) for part in PAGE.split("## People only")
)

DELIVERY, CAMPAIGN = 451401954, "3"
SENT, FAILED = "1", "2"
CONTACT_AT = datetime(2025, 3, 24, 8, tzinfo=UTC)
SCANNED_MESSAGES = [304000041 + 4 * number for number in range(5)]
LINKS = range(1400400011, 1400400019)
OPT_OUT = 1400400017


def scan_lines():
    """What a gateway does with messages of the delivery: fetch the pixel, then a link each second."""
    visits = [(message_id, url_id) for message_id in SCANNED_MESSAGES for url_id in (1, *LINKS)]
    for place, (message_id, url_id) in enumerate(visits):
        at = CONTACT_AT + timedelta(minutes=1, seconds=place)
        yield (
            f"70x{place:016X}\t{at:%Y-%m-%dT%H:%M:%S}\t{message_id:x}\t{DELIVERY:x}\t{url_id:x}"
            "\t0\t\th\t\tpython-requests/2.32.3\t192.0.2.7"
        )


@pytest.fixture(scope="module")
def published(server, tmp_path_factory):
    """A BI tool's session, and the exports: the second golden case with two e-mail domains and a gateway."""
    home = tmp_path_factory.mktemp("asking")
    (home / "sources.yml").write_text("sources: [{name: campaign, kind: folder, path: landing/campaign}]\n")
    landing = Landing(home / "landing" / "campaign")
    landing.copy(FIXTURES / "golden" / "second-case")
    exports = landing.folder / "exports"
    messages = exports / "messages.csv"
    messages.write_text(re.sub(r"dom\d*[13]\.example", "gmail.com", messages.read_text(encoding="utf-8")))
    landing.write_log(scan_lines(), server="edge-c")
    with new_database(server) as name:
        pipeline_url, reader_url = (
            f"{server.url(login).rpartition('/')[0]}/{name}" for login in (PIPELINE_ROLE, login_name("bi_reader"))
        )
        settings = replace(
            Settings.from_environment(), home=home, warehouse_url=pipeline_url, sources_file=home / "sources.yml"
        )
        assert Pipeline(Warehouse(pipeline_url), settings).run()
        with closing(psycopg2.connect(reader_url)) as session:
            yield session, exports


@pytest.fixture(scope="module")
def reader(published):
    return published[0]


@pytest.fixture(scope="module")
def reference(published):
    return Reference(*published)


class Reference:
    """What the exports say, and all events one by one."""

    def __init__(self, reader, exports):
        self.deliveries, self.messages, self.urls = (
            list(csv.DictReader((exports / f"{name}.csv").open(encoding="utf-8")))
            for name in ("deliveries", "messages", "tracked_urls")
        )
        for row in (*self.deliveries, *self.messages, *self.urls):
            row["delivery_id"] = int(row["delivery_id"])
        with reader.cursor() as cursor:
            cursor.execute("select * from marts.tracking_events")
            names = [column.name for column in cursor.description]
            self.events = [dict(zip(names, row, strict=True)) for row in cursor]

    @property
    def campaign(self):
        """Deliveries of the campaign that are neither proofs nor templates."""
        return {
            row["delivery_id"]
            for row in self.deliveries
            if row["campaign_id"] == CAMPAIGN and row["is_proof"] == row["is_model"] == "false"
        }

    def counted(self, deliveries, by="is_counted"):
        return [event for event in self.events if event["delivery_id"] in deliveries and event[by]]

    def clicks(self, deliveries, by="is_counted"):
        return [event for event in self.counted(deliveries, by) if event["event_type"] == "click"]

    def messages_of(self, deliveries, *statuses):
        return [row for row in self.messages if row["delivery_id"] in deliveries and row["status"] in statuses]

    def estimated_opens(self, delivery_id):
        """Messages with an event, extrapolated to those that were sent as text."""
        (row,) = [row for row in self.deliveries if row["delivery_id"] == delivery_id]
        to_deliver, text = int(row["to_deliver_count"]), int(row["text_count"])
        opened = len(reacting(self.counted({delivery_id})))
        return int(Fraction(opened * to_deliver, to_deliver - text) + Fraction(1, 2))

    def ranked_labels(self, deliveries, by="is_counted"):
        """Each label with the clicks on its links, the most clicked first."""
        labels = {int(row["url_id"]): row["label"] for row in self.urls if row["delivery_id"] in deliveries}
        assert all(labels.values())
        clicks = Counter(dict.fromkeys(labels.values(), 0))
        clicks.update(labels[event["url_id"]] for event in self.counted(deliveries, by) if event["url_id"] in labels)
        return sorted(clicks.items(), key=lambda one: (-one[1], one[0]))


def reacting(events):
    return {(event["delivery_id"], event["message_id"]) for event in events if event["message_id"]}


def recipients(events):
    return {event["recipient_id"] for event in events if event["recipient_id"]}


def top(ranked):
    """Three labels, what is left, and all of it: each with its share."""
    total = sum(count for _, count in ranked)
    rows = [*ranked[:3], ("Others", sum(count for _, count in ranked[3:])), ("Total", total)]
    return [(label, count, count / total) for label, count in rows]


def reached_without_click(reference):
    clicked = reacting(reference.clicks({DELIVERY}))
    return [
        (int(row["recipient_id"]),)
        for row in reference.messages_of({DELIVERY}, SENT)
        if (DELIVERY, int(row["message_id"])) not in clicked
    ]


def sums_of_a_campaign(reference):
    deliveries = reference.campaign
    clicks = reference.clicks(deliveries)
    estimate = sum(map(reference.estimated_opens, deliveries))
    success = len(reference.messages_of(deliveries, SENT))
    return [
        (
            len(reacting(reference.counted(deliveries))),
            len(reacting(clicks)),
            len(clicks),
            len(reacting(clicks)) / estimate,
            len(clicks) / success,
        )
    ]


def recipients_of_a_campaign(reference):
    deliveries = reference.campaign
    reached = {row["recipient_id"] for row in reference.messages_of(deliveries, SENT)}
    clicks = reference.clicks(deliveries)
    looked = [event for event in reference.counted(deliveries) if event["event_type"] in ("open", "click")]
    assert len(recipients(clicks)) < len(reacting(clicks)), "nobody clicked in two deliveries"
    return [(len(reached), len(recipients(looked)), len(recipients(clicks)))]


def first_six_hours(reference):
    types = Counter(
        event["event_type"]
        for event in reference.counted({DELIVERY})
        if CONTACT_AT <= event["occurred_at"] < CONTACT_AT + timedelta(hours=6)
    )
    return [(types["open"], types["click"])]


def clicks_by_day(reference):
    days = Counter(
        event["occurred_at"].astimezone(UTC).date()
        for event in reference.counted(reference.campaign)
        if event["is_known_url"] and event["event_type"] != "open"
    )
    return [(day, count) for day, count in days.items() if date(2025, 3, 25) <= day < date(2025, 5, 18)]


def recipients_of_a_range(reference):
    begin, end = datetime(2025, 3, 25, tzinfo=UTC), datetime(2025, 5, 18, tzinfo=UTC)
    clicks = reference.clicks(reference.campaign)
    return [(len(recipients(event for event in clicks if begin <= event["occurred_at"] < end)),)]


def errors_by_domain(reference):
    failed = {"Gmail": [], "Others": []}
    for row in reference.messages_of(reference.campaign, SENT, FAILED):
        domain = "Gmail" if row["address_domain"] == "gmail.com" else "Others"
        failed[domain].append(row["status"] == FAILED)
    failed["Total"] = failed["Gmail"] + failed["Others"]
    total = sum(failed["Total"])
    return [(domain, sum(rows), sum(rows) / total, sum(rows) / len(rows)) for domain, rows in failed.items()]


def campaign_of_people(reference):
    deliveries = reference.campaign
    of_all, of_people = reference.clicks(deliveries), reference.clicks(deliveries, "human_is_counted")
    assert len(of_all) - len(of_people) == 6 * len(SCANNED_MESSAGES), "six of the links are of type 1"
    success = len(reference.messages_of(deliveries, SENT))
    return [(len(of_all), len(of_people), len(reacting(of_people)), len(of_people) / success)]


def opt_outs_of_the_gateway(reference):
    reasons = {event["event_id"]: event["actor_reason"] for event in reference.events}
    places = [number * (1 + len(LINKS)) + 1 + LINKS.index(OPT_OUT) for number in range(len(SCANNED_MESSAGES))]
    return [
        (
            DELIVERY,
            message_id - SCANNED_MESSAGES[0] + 1,
            CONTACT_AT + timedelta(minutes=1, seconds=place),
            reasons[f"campaign:70x{place:016X}"],
        )
        for message_id, place in zip(SCANNED_MESSAGES, places, strict=True)
    ]


ANSWERS = {
    "reached without a click": reached_without_click,
    "sums of a campaign": sums_of_a_campaign,
    "recipients of a campaign": recipients_of_a_campaign,
    "first six hours": first_six_hours,
    "clicks by day": clicks_by_day,
    "recipients of a range": recipients_of_a_range,
    "top of a delivery": lambda reference: top(reference.ranked_labels({DELIVERY})),
    "top of a campaign": lambda reference: top(reference.ranked_labels(reference.campaign)),
    "errors by domain": errors_by_domain,
    "campaign of people": campaign_of_people,
    "top of people": lambda reference: [
        row[:2] for row in top(reference.ranked_labels({DELIVERY}, "human_is_counted"))
    ],
    "opt-outs of the gateway": opt_outs_of_the_gateway,
}
"""What the blocks of the page ask, in its order, with the answer."""


@pytest.mark.parametrize(("block", "answer"), list(zip(BLOCKS, ANSWERS.values(), strict=True)), ids=list(ANSWERS))
def test_the_page_answers_what_single_events_say(reader, reference, block, answer):
    found = [
        tuple(float(value) if isinstance(value, Decimal) else value for value in row)
        for row in fetch_all(reader, block)
    ]
    expected = answer(reference)
    assert expected
    if not block.rstrip().rpartition("\n")[2].startswith("order by"):
        found, expected = sorted(found), sorted(expected)
    assert len(found) == len(expected)
    for row, right in zip(found, expected, strict=True):
        assert row == tuple(pytest.approx(value) if isinstance(value, float) else value for value in right)


FILTERS = {
    "all": lambda status, _opened, _clicked: status is not None,
    "successfully sent": lambda status, _opened, _clicked: status == SENT,
    "opened or clicked": lambda _status, opened, clicked: opened or clicked,
    "clicked": lambda _status, _opened, clicked: clicked,
    "failed": lambda status, _opened, _clicked: status == FAILED,
    "did not open or click": lambda _status, opened, clicked: not (opened or clicked),
    "did not click": lambda _status, _opened, clicked: not clicked,
}
"""Each filter of spec 6.4, by a message's status (None where nothing is known of it) and by what happened to it."""


@pytest.mark.parametrize(
    ("name", "predicate", "by"),
    [
        *((name, predicate, "is_counted") for name, predicate in EVERYBODY.items()),
        *((name, predicate, "human_is_counted") for name, predicate in PEOPLE.items()),
    ],
)
def test_a_filter_finds_the_messages_of_its_name(reader, reference, name, predicate, by):
    statuses = {int(row["message_id"]): row["status"] for row in reference.messages_of({DELIVERY}, SENT, FAILED)}
    opened, clicked = (
        {
            message
            for _, message in reacting(
                event for event in reference.counted({DELIVERY}, by) if event["event_type"] == kind
            )
        }
        for kind in ("open", "click")
    )
    messages = statuses.keys() | {message for _, message in reacting(reference.counted({DELIVERY}))}
    expected = {
        message for message in messages if FILTERS[name](statuses.get(message), message in opened, message in clicked)
    }
    found = fetch_all(
        reader, f"select message_id from marts.message_engagement where delivery_id = {DELIVERY} and ({predicate})"
    )
    assert {message for (message,) in found} == expected
    assert len(found) == len(expected) > 0
    assert expected != messages


def test_every_filter_is_on_the_page():
    assert EVERYBODY.keys() == FILTERS.keys()
    assert PEOPLE.keys() == {name for name in FILTERS if "click" in name}
