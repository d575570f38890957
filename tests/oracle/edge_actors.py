"""The events of the edge case that the judgement of events speaks of (docs/actors.md): one message per case."""

from typing import Any, NamedTuple

JUDGED = 300
SENT_AT = "2025-08-31T02:00:05Z"

URLS: list[dict[str, Any]] = [
    *({"url_id": 301 + place, "type": 1, "label": f"Link {place}"} for place in range(6)),
    {"url_id": 311, "type": 3, "label": "Out"},
    {"url_id": 312, "type": 6, "label": "Mirror"},
    {"url_id": 313, "type": 4, "label": "Page"},
    {"url_id": 314, "type": 1, "label": "Hidden", "category": "lure"},
    {"url_id": 315, "type": 1, "label": "Shown", "category": "Lure"},
    {"url_id": 316, "type": 4, "label": "Shared", "category": "twitter"},
]
_PIXEL, _LINK, _OUT, _MIRROR, _PAGE, _LURE, _NO_LURE, _SHARE, _UNKNOWN = 1, 301, 311, 312, 313, 314, 315, 316, 399

_HERE, _NEAR, _SAME_16, _FAR = "198.51.100.7", "198.51.100.200", "198.51.101.7", "203.0.113.9"
_IPV6, _SAME_64, _SAME_48 = "2001:db8:0:1::1", "2001:DB8:0:1:ffff::2", "2001:db8:0:2::1"
_GATEWAY, _GOOGLE = "67.231.150.1", "66.249.84.1"

_READER = "Mozilla/5.0 (Windows NT 10.0) Firefox/10.0"
_CRAWLER, _SHOUTING_CRAWLER, _CLASS_IN_PATTERN = "Googlebot/2.1", "GOOGLEBOT/2.1", "contextualbot/2 of outcomes.net"
_PROXY, _WHISPERING_PROXY = (
    "Mozilla/5.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.0 (via ggpht.com googleimageproxy)",
)
_PREFETCH = "Mozilla/5.0"


class Act(NamedTuple):
    """One event, the seconds after its message's case begins."""

    seconds: float
    url_id: int
    address: str = _HERE
    user_agent: str = _READER


def _links(count: int, gap: float = 1) -> list[Act]:
    return [Act(place * gap, _LINK + place) for place in range(count)]


# Each begins 600 s after the one before it.
CASES: list[list[Act]] = [
    # Agents, of clicks and of opens.
    [Act(0, _LINK, user_agent=_SHOUTING_CRAWLER)],
    [Act(0, _LINK, user_agent=_CLASS_IN_PATTERN)],
    [Act(0, _LINK, user_agent=_PROXY)],
    [Act(0, _LINK, user_agent=_PREFETCH)],
    [Act(0, _LINK, user_agent="")],
    [Act(0, _OUT, user_agent=_CRAWLER)],
    [Act(0, _PIXEL, user_agent=_CRAWLER)],
    [Act(0, _PIXEL, user_agent=_PROXY)],
    [Act(0, _PIXEL, user_agent=_WHISPERING_PROXY)],
    [Act(0, _PIXEL, user_agent=_PREFETCH)],
    [Act(0, _PIXEL, user_agent="")],
    [Act(0, _PIXEL)],
    # Networks; of two addresses the first.
    [Act(0, _LINK, _GATEWAY)],
    [Act(0, _LINK, _GOOGLE)],
    [Act(0, _LINK, f"{_GATEWAY},{_HERE}")],
    [Act(0, _LINK, _GATEWAY, user_agent="")],
    [Act(0, _PIXEL, _GATEWAY)],
    [Act(0, _PIXEL, _GOOGLE)],
    [Act(0, _PIXEL, _GOOGLE, _PREFETCH)],
    [Act(0, _PIXEL, _GOOGLE, "")],
    # Bursts.
    [*_links(2, 5)],
    [*_links(2, 5.000001)],
    [*_links(3, 4)],
    [*_links(4)],
    [*_links(5)],
    [Act(second, _LINK) for second in range(5)],
    [Act(0, _LINK), Act(1, _LINK + 1, _NEAR)],
    [Act(0, _LINK), Act(1, _LINK + 1, _SAME_16)],
    [Act(0, _LINK, _IPV6), Act(1, _LINK + 1, _SAME_64)],
    [Act(0, _LINK, _IPV6), Act(1, _LINK + 1, _SAME_48)],
    [Act(0, _LINK, ""), Act(1, _LINK + 1, "")],
    [Act(0, _LINK), Act(1, _PIXEL)],
    [Act(0, _LINK), Act(1, _PAGE)],
    [Act(0, _LINK), Act(1, _UNKNOWN)],
    [Act(0, _LINK), Act(1, _MIRROR)],
    [Act(0, _LINK), Act(1, _OUT)],
    [Act(0, _OUT), Act(1, _OUT)],
    # Lures.
    [Act(0, _LURE)],
    [Act(0, _NO_LURE)],
    # Beside a scan, from elsewhere, too far from it but not from what is beside it; a prefetch is no scan.
    [
        Act(0, _LINK),
        Act(60, _LURE),
        Act(70, _LINK + 2, _SAME_16),
        Act(80, _PIXEL),
        Act(110, _LINK + 1, _NEAR),
        Act(120.000001, _LINK),
    ],
    [Act(0, _LURE), Act(30, _PIXEL, user_agent=_PREFETCH)],
    [Act(0, _PIXEL, user_agent=_PREFETCH), Act(10, _LINK)],
    [Act(0, _LURE, ""), Act(10, _LINK, "")],
    # A person's open after a machine's, in a bucket of its own; and two, the second a duplicate among people only.
    [Act(290, _PIXEL, user_agent=_PREFETCH), Act(320, _PIXEL, _FAR)],
    [Act(0, _PIXEL, user_agent=_PREFETCH), Act(30, _PIXEL, _FAR), Act(70, _PIXEL, _FAR)],
    # What a machine shares.
    [Act(0, _SHARE, user_agent=_CRAWLER)],
]
_FIRST_MESSAGE, _FIRST_SECOND, _BETWEEN = 3001, 42_000, 600
MESSAGES = range(_FIRST_MESSAGE, _FIRST_MESSAGE + len(CASES) + 2)


def write_acts(log: Any, other_delivery: int, other_url: int) -> None:
    """Write the cases, each of a message of its own, then those of several messages or none, and those of the first minutes."""
    for place, acts in enumerate(CASES):
        for act in acts:
            _write(log, _FIRST_MESSAGE + place, act, _FIRST_SECOND + place * _BETWEEN)
    message, neighbour = MESSAGES[-2:]
    start = _FIRST_SECOND + len(CASES) * _BETWEEN
    # One burst or scan but for the message, the delivery and no message.
    _write(log, message, Act(0, _LINK), start)
    _write(log, neighbour, Act(1, _LINK + 1), start)
    _write(log, message, Act(2, other_url), start, other_delivery)
    _write(log, message, Act(100, _LURE), start)
    _write(log, neighbour, Act(101, _LINK), start)
    for act in (Act(200, _LINK), Act(201, _LINK + 1), Act(210, _LURE)):
        _write(log, 0, act, start)
    # 899.999999 s and 900 s after the message was sent, before that, and among other evidence.
    for seconds, address, user_agent in (
        (904.999999, _HERE, _READER),
        (905, _FAR, _READER),
        (3, _FAR, _READER),
        (700, _GATEWAY, _READER),
        (600, _FAR, ""),
    ):
        _write(log, message, Act(seconds, _LINK, address, user_agent), 0)


def _write(log: Any, message_id: int, act: Act, start: float, delivery_id: int = JUDGED) -> None:
    log.line(
        start + act.seconds,
        message_id,
        act.url_id,
        delivery_id,
        requester=str(message_id),
        user_agent=act.user_agent,
        address=act.address,
    )
