"""What models carry from one publication to the next equals a recount, whatever comes late, changes or moves."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count, cycle

import pytest

from message_tracking.building import build
from message_tracking.pipeline import be_quiet
from message_tracking.publication import changed_rows, open_candidate
from message_tracking.warehouse import fetch_all

CONTACT = datetime(2026, 1, 5, 8, tzinfo=UTC)
ADA, BOB = "730edcc9-1f2c-4c75-ba3a-889bc666c6c7", "fe37a503-77e8-4394-bf88-51ee39edc13b"

AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Safari/537.36",
]

Event = tuple[float, int, int, int, str, str]
"""Seconds since the contact date, message, delivery, URL, requester and parameters."""


@pytest.fixture
def publish(pipeline, landing):
    """Bring events and what the reference data says by now, and publish."""
    counters, files, agents = count(1), count(1), cycle(AGENTS)

    def line(seconds: float, message: int, delivery: int, url: int, person: str = "", parameters: str = "") -> str:
        at = f"{CONTACT + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%f}"
        return f"50x{next(counters):016X}\t{at}\t{message:x}\t{delivery:x}\t{url:x}\t0\t{person}\th\t{parameters}\t{next(agents)}\t203.0.113.10"

    def run(events: Iterable[Event] = (), **exports: Iterable[str]) -> int:
        landing.write_log([line(*event) for event in events], name=f"0x{next(files):016x}.log")
        if exports:
            landing.describe(**exports)
        publication = pipeline.run()
        assert publication is not None
        assert not publication.is_full or publication.publication_id == 1
        return publication.publication_id

    return run


@pytest.fixture
def equals_a_recount(pipeline, connection):
    """Build everything anew and find no row of any mart or state that differs."""

    def check() -> None:
        recount = open_candidate(pipeline.warehouse, "test", full=True)
        build(pipeline.warehouse, pipeline.settings, recount.publication_id, be_quiet)
        assert changed_rows(pipeline.warehouse, recount.publication_id) == {}
        states = fetch_all(
            connection,
            "select model, opened_count, closed_count from ops.model_builds where publication_id = %s "
            "and starts_with(model, 'int_') and opened_count + closed_count > 0",
            (recount.publication_id,),
        )
        assert states == []

    return check


def delivery(
    delivery_id: int, label: str = "Sale", contact_at: str = f"{CONTACT:%Y-%m-%dT%H:%M:%SZ}", *, is_proof: bool = False
) -> str:
    return f"{delivery_id},DM{delivery_id},{label},,0,95,{is_proof},false,1,,10,0,10,0,0,{contact_at},,"


def message(
    message_id: int, delivery_id: int, status: int = 1, *, is_seed: bool = False, domain: str = "gmail.com"
) -> str:
    return f"{message_id},{delivery_id},{message_id},{domain},{status},8,{is_seed},,"


def url(url_id: int, delivery_id: int, url_type: int = 1, label: str = "Shop") -> str:
    return f"{url_id},{delivery_id},{url_type},{label},promo,https://www.example/{url_id},0,html,"


def excluded(delivery_id: int, recipient_id: int, reason: str = "duplicate", at: str = "") -> str:
    return f"{delivery_id},{recipient_id},{reason},{at}"


@pytest.fixture
def exclusions(connection):
    """Read the published exclusions: how many by delivery and reason."""

    def read() -> dict[tuple[int, str], int]:
        rows = fetch_all(connection, "select delivery_id, reason, exclusion_count from marts.delivery_exclusions")
        connection.rollback()
        return {(delivery_id, reason): number for delivery_id, reason, number in rows}

    return read


def test_it_equals_a_recount(publish, shown, equals_a_recount, exclusions):
    publish(
        # The reference data comes later. Two opens 40 s apart, a transaction, nobody's opens and clicks.
        [
            (100, 101, 1000, 1),
            (140, 101, 1000, 1),
            (190, 101, 1000, 1),
            (200, 101, 1000, 1001, ADA),
            (210, 102, 1000, 1001, ADA.upper(), "amount=5.50&article=2"),
            (211, 102, 1000, 1002, ADA),
            (220, 102, 1000, 1003, BOB, "amount=19.90&article=1"),
            (230, 0, 1000, 1),
            (231, 0, 1000, 1001, BOB),
            (240, 201, 2000, 1),
            (250, 102, 3000, 1002),
        ]
    )
    described = {
        "deliveries": [delivery(1000, is_proof=True), delivery(2000, contact_at="")],
        "messages": [
            message(101, 1000),
            message(102, 1000, 2, domain="yahoo.com"),
            message(103, 1000),
            message(201, 2000),
            message(0, 1000),
        ],
        "tracked_urls": [url(1001, 1000), url(1002, 1000), url(1003, 1000, 5), url(2001, 2000)],
        "exclusions": [
            excluded(1000, 301),
            excluded(1000, 302),
            excluded(1000, 303, "empty"),
            excluded(3000, 301, at="2026-01-04"),
        ],
    }
    publish([(300, 103, 1000, 1), (310, 0, 1000, 1002), (320, 999, 1000, 1009)], **described)
    # An open before all others: what was a duplicate is one no more.
    publish([(60, 101, 1000, 1), (105, 101, 1000, 1), (-700_000, 201, 2000, 2001, BOB), (330, 0, 1000, 1)])
    described["deliveries"] = [
        delivery(1000, contact_at="2026-01-05T07:00:00Z"),
        delivery(2000, "Other"),
        delivery(3000),
    ]
    described["messages"] = [
        message(101, 2000),
        message(102, 1000, domain="GMAIL.com"),
        message(103, 1000, is_seed=True, domain="example.net"),
        message(999, 1000),
    ]
    described["tracked_urls"] = [url(1001, 1000, 5, "Till"), url(1002, 2000), url(1003, 1000, 3), url(1009, 1000)]
    # A reason of which nobody is left, an older word that changes nothing, and one more of a delivery described just now.
    described["exclusions"] = [
        excluded(1000, 303, "denylist"),
        excluded(1000, 303),
        excluded(1000, 302, "quarantine"),
        excluded(3000, 301, "empty", at="2026-01-03"),
        excluded(3000, 302),
    ]
    publish([(400, 101, 2000, 1002, ADA)], **described)
    assert exclusions() == {(1000, "duplicate"): 2, (1000, "quarantine"): 1, (3000, "duplicate"): 2}
    described["deliveries"] = [delivery(2000, "Other", is_proof=True)]
    # One message's domain is another one, with no event and no other change of the message.
    described["messages"] = [message(102, 1000, domain="msn.com"), message(999, 1000, 2, domain="aol.com")]
    described["tracked_urls"] = [url(1001, 1000, 1, ""), url(1003, 1000, 4), url(2001, 2000, 6)]
    publish([(410, 103, 1000, 1003, BOB), (410, 103, 1000, 1003, BOB, "article=7")], **described)
    assert len(shown()["tracking_events"]) > 15

    # Some links are foreign by now, which the gate would refuse among all events.
    equals_a_recount()


def test_a_late_click_recounts_its_message_and_not_its_delivery(publish, connection):
    messages = range(101, 151)
    publish(
        [(place, number, 1000, 1) for place, number in enumerate(messages)],
        deliveries=[delivery(1000)],
        messages=[message(number, 1000) for number in messages],
        tracked_urls=[url(1001, 1000), url(1002, 1000)],
        exclusions=[excluded(1000, number) for number in range(301, 310)],
    )
    number = publish([(9000, 101, 1000, 1001, ADA)])
    built = {
        model: (opened, closed)
        for model, opened, closed in fetch_all(
            connection,
            "select model, opened_count, closed_count from ops.model_builds "
            "where publication_id = %s and opened_count + closed_count > 0",
            (number,),
        )
    }
    assert fetch_all(connection, "select delivery_id, message_id from intermediate.int_messages__touched") == [
        (1000, 101)
    ]
    assert built == {
        "int_tracking_events__judged": (1, 0),
        "int_persons__clicks": (1, 0),
        "int_deliveries__counts": (1, 1),
        "int_domains__counts": (1, 1),
        "tracking_events": (1, 0),
        "tracking_buckets": (1, 0),
        "message_engagement": (1, 1),
        "deliveries": (1, 1),
        "delivery_indicators": (1, 1),
        "domain_indicators": (1, 1),
        "url_clicks": (1, 1),
        "url_label_clicks": (1, 1),
        "url_category_clicks": (1, 1),
        "url_clicks_by_day": (1, 0),
        "hot_clicks": (1, 1),
        "tracking_statistics": (9, 9),
        "user_activity": (1, 0),
        "int_visitors__pages": (1, 0),
        "browser_statistics": (1, 0),
        "operating_system_statistics": (1, 0),
    }


def test_a_label_that_changes_is_shown_by_old_events(publish, connection):
    publish(
        [(1, 101, 1000, 1001)],
        deliveries=[delivery(1000)],
        messages=[message(101, 1000)],
        tracked_urls=[url(1001, 1000)],
    )
    publish(deliveries=[delivery(1000)], messages=[], tracked_urls=[url(1001, 1000, label="Till")])
    assert fetch_all(connection, "select url_label from marts.tracking_events") == [("Till",)]


def test_a_person_is_counted_once_and_in_each_domain(publish, connection):
    def persons():
        return fetch_all(
            connection,
            """
            select
                indicators.person_click_count,
                array(
                    select domain || ' ' || person_click_count from marts.domain_indicators as domains
                    where domains.delivery_id = indicators.delivery_id order by domain
                )
            from marts.delivery_indicators as indicators
            """,
        )

    described = {"deliveries": [delivery(1000)], "tracked_urls": [url(1001, 1000)]}
    described["messages"] = [message(101, 1000), message(102, 1000, domain="yahoo.com"), message(103, 1000)]
    publish([(1, 101, 1000, 1001, ADA)], **described)
    assert persons() == [(1, ["Gmail 1", "Yahoo 0"])]
    publish([(2, 102, 1000, 1001, ADA)])
    assert persons() == [(1, ["Gmail 1", "Yahoo 1"])]
    publish([(3, 103, 1000, 1001, BOB), (4, 0, 1000, 1001, BOB)])
    assert persons() == [(2, ["Gmail 2", "Others 1", "Yahoo 1"])]
    described["messages"] = [message(102, 1000, domain="msn.com"), message(103, 1000, domain="example.net")]
    publish(**described)
    assert persons() == [(2, ["Gmail 1", "MSN 1", "Others 1"])]


def test_what_a_recipient_refuses_is_not_shown_whenever_they_say_so(publish, connection, equals_a_recount):
    def chosen(seconds: float, *, is_allowed: bool, purpose: str = "tracking") -> str:
        return f"101,{purpose},{is_allowed},{CONTACT + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"

    def shown():
        events = fetch_all(
            connection,
            "select (url_id, seconds_since_sent::integer)::text from marts.tracking_events order by occurred_at",
        )
        figures = "select recipient_open_count, total_click_count from marts.delivery_indicators"
        return [event for (event,) in events], fetch_all(connection, figures)

    described = {"deliveries": [delivery(1000)], "tracked_urls": [url(1001, 1000)]}
    described["messages"] = [message(101, 1000), message(102, 1000)]
    events = [(100, 101, 1000, 1), (130, 101, 1000, 1), (5000, 101, 1000, 1001, ADA), (9000, 101, 1000, 1001, ADA)]
    publish([*events, (5000, 102, 1000, 1001, BOB)], **described)
    everything = (["(1,100)", "(1001,5000)", "(1001,5000)", "(1001,9000)"], [(2, 3)])
    assert shown() == everything
    # Said later than it was refused: the second open is no duplicate of one that is not looked at any more.
    publish(**described, consents=[chosen(90, is_allowed=False), chosen(120, is_allowed=True)])
    assert shown() == (["(1,130)", "(1001,5000)", "(1001,5000)", "(1001,9000)"], [(2, 3)])
    publish([(5100, 101, 1000, 1001, ADA)], **described, consents=[chosen(200, is_allowed=False)])
    assert shown() == (["(1,130)", "(1001,5000)"], [(2, 1)])
    publish(**described, consents=[chosen(8000, is_allowed=True), chosen(300, is_allowed=True, purpose="profiling")])
    assert shown() == (["(1,130)", "(1001,5000)", "(1001,9000)"], [(2, 2)])
    # Nothing was done since: nothing is computed anew.
    publish(**described, consents=[chosen(9001, is_allowed=False)])
    assert fetch_all(connection, "select * from intermediate.int_messages__touched") == []
    connection.rollback()
    # Another one's message, who has refused nothing.
    described["messages"] = [message(101, 1000).replace("101,1000,101", "101,1000,103")]
    publish(**described)
    assert shown()[1] == [(2, 4)]
    equals_a_recount()


def test_a_late_click_makes_a_scan_of_those_before_it(publish, connection, equals_a_recount):
    publish(
        [(50, 101, 1000, 1), (60, 101, 1000, 1001, ADA), (68, 101, 1000, 1003, ADA), (7200, 101, 1000, 1001, ADA)],
        deliveries=[delivery(1000)],
        messages=[message(101, 1000)],
        tracked_urls=[url(number, 1000) for number in (1001, 1002, 1003)],
    )
    figures = (
        "select human_total_click_count, human_recipient_open_count, total_click_count from marts.delivery_indicators"
    )
    assert fetch_all(connection, figures) == [(3, 1, 3)]
    publish([(64, 101, 1000, 1002, ADA)])
    judged = fetch_all(
        connection, "select actor_class, actor_reason from marts.tracking_events order by occurred_at, event_id"
    )
    assert judged == [
        ("scanner", "beside_scan"),
        *[("scanner", "soon_after_delivery link_burst")] * 3,
        ("person", ""),
    ]
    assert fetch_all(connection, figures) == [(1, 1, 4)]
    equals_a_recount()
