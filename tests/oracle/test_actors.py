"""The reading's judgement of events, against what docs/actors.md says of single ones and of neighbours."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from tests.oracle.actors import Observed, actors
from tests.oracle.judging import judgements
from tests.oracle.rules import Rules

START = datetime(2026, 1, 5, 20)  # noqa: DTZ001  instants are naive UTC here
READER, PREFETCH, PROXY, CRAWLER = "Mozilla/5.0 (X11) Firefox/10.0", "Mozilla/5.0", "YahooMailProxy; x", "GoogleBOT/2.1"
GATEWAY, GMAIL = "185.58.87.255", "66.102.15.1,10.0.0.1"


def event(seconds: float = 0, url_id: int = 11, event_type: str = "click", **others: object) -> Observed:
    known = Observed(
        event_id=f"{seconds}:{url_id}",
        occurred_at=START + timedelta(seconds=seconds),
        delivery_id=1,
        message_id=7,
        url_id=url_id,
        url_category="",
        event_type=event_type,
        seconds_since_sent=Decimal(5000),
        user_agent=READER,
        client_ip="198.51.100.7",
    )
    return known._replace(**others)


def opened(seconds: float = 0, **others: object) -> Observed:
    return event(seconds, 1, "open", **others)


def links(*seconds: float) -> list[Observed]:
    return [event(second, 11 + place) for place, second in enumerate(seconds)]


def told(events: list[Observed]) -> list[str]:
    return [" ".join([actor.actor_class, *sorted(actor.reasons)]) for actor in actors(events, Rules())]


@pytest.mark.parametrize(
    ("one", "who"),
    [
        (event(), "person"),
        (event(user_agent=CRAWLER), "scanner crawler_agent"),
        (event(user_agent=PROXY), "scanner image_proxy_agent"),
        (event(user_agent=PREFETCH), "scanner prefetch_agent"),
        (event(user_agent=""), "person no_agent"),
        (event(user_agent="", seconds_since_sent=Decimal(30)), "unknown no_agent soon_after_delivery"),
        (event(client_ip=GATEWAY), "unknown machine_network"),
        (event(client_ip=GATEWAY, seconds_since_sent=Decimal(30)), "unknown machine_network soon_after_delivery"),
        (event(seconds_since_sent=Decimal("899.999999")), "person soon_after_delivery"),
        (event(seconds_since_sent=Decimal(900)), "person"),
        (event(seconds_since_sent=None), "person"),
        (event(url_category="lure", event_type="web"), "scanner lure_link"),
        (event(url_category="Lure"), "person"),
        (opened(), "person"),
        (opened(user_agent=CRAWLER), "scanner crawler_agent"),
        (opened(user_agent=PROXY), "image_proxy image_proxy_agent"),
        (opened(user_agent=PREFETCH), "prefetch prefetch_agent"),
        (opened(user_agent=PREFETCH, client_ip=GMAIL), "prefetch image_proxy_network prefetch_agent"),
        (opened(user_agent="", client_ip=GMAIL), "image_proxy image_proxy_network no_agent"),
        (opened(user_agent="", client_ip=GATEWAY), "unknown no_agent"),
        (opened(seconds_since_sent=Decimal(1)), "person"),
    ],
)
def test_an_event_by_itself(one: Observed, who: str):
    assert told([one]) == [who]


@pytest.mark.parametrize(
    ("events", "who"),
    [
        (links(0, 5), ["person link_pair"] * 2),
        (links(0, 5.000001), ["person"] * 2),
        (links(0, 4, 8), ["unknown link_burst"] * 3),
        (links(0, 1, 2, 3, 4), ["scanner link_sweep"] * 5),
        ([event(0), event(1), event(2)], ["person"] * 3),
        ([event(0), event(1, 14, "opt_out")], ["unknown link_pair opt_out_in_burst"] * 2),
        ([event(0), event(1, 15, "mirror_page")], ["person link_pair"] * 2),
        ([event(0), event(1, 16, "web")], ["person"] * 2),
        ([event(0, message_id=0), event(1, 12, message_id=0)], ["person"] * 2),
        ([event(0, client_ip=""), event(1, 12, client_ip="")], ["person"] * 2),
        ([event(0), event(1, 12, client_ip="198.51.100.9")], ["person link_pair"] * 2),
        ([event(0), event(1, 12, client_ip="198.51.101.7")], ["person"] * 2),
        ([event(0, client_ip="2001:db8::1"), event(1, 12, client_ip="2001:db8:0:1::1")], ["person"] * 2),
    ],
)
def test_a_burst(events: list[Observed], who: list[str]):
    assert told(events) == who


def test_what_is_beside_a_scan_is_a_scanners():
    scan = event(60, user_agent=CRAWLER)
    near = [event(0), opened(30, user_agent=PREFETCH), event(120)]
    far = [event(120.000001), event(61, client_ip="203.0.113.9"), event(62, message_id=8), event(63, delivery_id=2)]

    assert told([*near, *far, scan]) == [
        "scanner beside_scan",
        "scanner beside_scan prefetch_agent",
        "scanner beside_scan",
        *["person"] * len(far),
        "scanner crawler_agent",
    ]


def test_a_machines_open_does_not_swallow_a_persons():
    opens = [opened(0, user_agent=PREFETCH), opened(30), opened(60), opened(90)]

    assert judgements(opens, Rules()).select("is_counted", "human_is_counted").rows() == [
        (True, False),
        (False, True),
        (True, False),
        (False, True),
    ]
