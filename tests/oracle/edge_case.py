"""Two small sources that hold every edge the oracle's rules speak of: each planted mistake changes a figure."""

import csv
import gzip
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle import edge_actors
from tests.oracle.edge_actors import JUDGED, write_acts
from tests.oracle.exports import TABLES
from tests.oracle.sources import SourceFolder

TIME_ZONE = "America/New_York"
CONTACT = datetime(2025, 8, 31, 2, tzinfo=UTC)  # 30 August, 22:00 in New York
MAIN, HALF, ALL_TEXT, NO_MESSAGE, STRANGE = 100, 101, 102, 103, 999
PROOF, TEMPLATE, NO_TYPOLOGY, ALSO_NO_TYPOLOGY, OTHER_TYPOLOGY, OTHER_CHANNEL = 200, 201, 202, 203, 204, 205
WINDOW_START, BEFORE_WINDOW, LATER = 206, 207, 208
PEERS = range(200, 209)

FLORIAN = "730EDCC9-1F2C-4C75-BA3A-889BC666C6C7"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"

# Tracked URLs of MAIN: 11 and 12 are one label, 13 has none, 14 to 17 are opt-out, mirror page, web and transaction.
URLS: list[dict[str, Any]] = [
    {"url_id": 11, "type": 1, "label": "beta", "category": "news", "source_url": "https://a.example/?x=1&y=2"},
    {"url_id": 12, "type": 1, "label": "beta", "source_url": "https://b.example/", "occurrence": 1},
    {"url_id": 13, "type": 1, "source_url": "https://c.example/"},
    {"url_id": 14, "type": 3, "label": "Out", "source_url": "https://d.example/"},
    {"url_id": 15, "type": 6, "label": "Mirror", "source_url": "https://e.example/", "category": "News"},
    {"url_id": 16, "type": 4, "label": "Page", "source_url": "https://f.example/", "category": "email"},
    {"url_id": 17, "type": 5, "label": "Basket", "source_url": "https://g.example/"},
    {"url_id": 18, "type": 2, "label": "Odd pixel", "source_url": "https://h.example/"},
    {"url_id": 19, "type": 1, "label": "Zebra", "source_url": "https://i.example/", "occurrence": 1},
    {"url_id": 20, "type": 1, "label": "Offer", "source_url": "https://j.example/", "offer_id": 7},
    {"url_id": 21, "type": 2, "label": "No offer", "source_url": "https://k.example/", "offer_id": 0},
    {"url_id": 22, "type": 1, "label": "In a comment", "source_url": "https://l.example/"},
    {"url_id": 23, "type": 1, "label": "Area", "source_url": "https://m.example/"},
    {"url_id": 24, "type": 1, "label": "BETA", "source_url": "https://n.example/", "category": "facebook"},
    {"url_id": 25, "type": 1, "label": "Of the text", "source_url": "https://o.example/", "content_part": "text"},
    {"url_id": 27, "type": 1, "source_url": "https://q.example/", "category": "Twitter"},
    {"url_id": 1, "type": 2, "label": "Pixel", "source_url": "https://r.example/"},
]
HTML = """
<a href='https://a.example/?x=1&amp;y=2'>a</a> <a href="https://b.example/">b</a> <A HREF=https://b.example/>b</A>
<a href="https://c.example/">c</a> <a href="https://d.example/">d</a> <a href="https://i.example/">i</a>
<a href="https://j.example/">j</a> <!--[if mso]><a href="https://l.example/">l</a><![endif]-->
<area href="https://m.example/"> <a href="https://n.example/">n</a> <a href="https://q.example/">q</a>
"""
TEXT = "Read (https://o.example/)."


class _Log:
    """The lines of one source, whose clock is the source's."""

    def __init__(self, zone: str = "UTC") -> None:
        self.zone = ZoneInfo(zone)
        self.counters = count(0xABC0)
        self.lines: list[bytes] = []

    def line(
        self,
        seconds: float,
        message_id: int,
        url_id: int,
        delivery_id: int = MAIN,
        *,
        requester: str = "",
        parameters: str = "",
        user_agent: str = "Firefox/10.0",
        address: str = "",
        log_id: str | None = None,
        ending: str = "\n",
    ) -> bytes:
        """Return one event's line and keep it; `seconds` count from `CONTACT`, and Latin-1 is what a line is written in."""
        local = (CONTACT + timedelta(seconds=seconds)).astimezone(self.zone).replace(tzinfo=None)
        ids = [f"{number % 2**32:x}" for number in (message_id, delivery_id, url_id)]
        log_id = log_id or f"50x{next(self.counters):016x}"
        time = local.isoformat(timespec="microseconds").rstrip("0").rstrip(".")
        line = "\t".join([log_id, time, *ids, "0", requester, "h", parameters, user_agent, address])
        self.lines.append(f"{line}{ending}".encode("latin-1"))
        return self.lines[-1]


def write_sources(folder: Path) -> list[SourceFolder]:
    """Write both sources below the folder and return them in the order of reading."""
    sources = [
        SourceFolder("alpha", folder / "alpha"),
        SourceFolder("beta", folder / "beta", time_zone="Europe/Berlin"),
    ]
    _write_logs(sources[0].path / "logs" / "edge", sources[1].path / "logs" / "edge")
    _write_exports(sources[0].path / "exports", sources[1].path / "exports")
    contents = sources[0].path / "contents"
    contents.mkdir()
    (contents / f"{MAIN}.html").write_text(HTML, encoding="utf-8")
    (contents / f"{MAIN}.txt").write_text(TEXT, encoding="utf-8")
    return sources


def _write_logs(alpha: Path, beta: Path) -> None:
    alpha.mkdir(parents=True)
    beta.mkdir(parents=True)
    log = _Log()
    _opens(log)
    _reactions(log)
    _refused(log)
    _peer_clicks(log)
    write_acts(log, HALF, 31)
    repeated = log.line(5000.96, 1, 11)
    log.line(5001, 1, 11, ending="\r\n")
    log.line(5002, 1, 11, user_agent="caf\xe9")
    log.line(5003, 1, 11, address="999.0.0.1")
    log.line(5004, 1, 11, log_id="a0x000000000000ABBA")
    log.line(5005, 1, 11, log_id="A0x000000000000ABBA")
    log.line(5006, 1, 11, ending="")
    (alpha / "0x000000000000ABC0.log").write_bytes(b"".join(log.lines))
    (alpha / "0x000000000000ABC1.log").write_bytes(repeated)
    last = log.line(5007, 1, 11, ending="")
    (alpha / "0x000000000000ABC2.log.gz").write_bytes(gzip.compress(last))

    log = _Log("Europe/Berlin")
    log.line(86_400, 2, 12, log_id="50x000000000000ABC0")
    (beta / "0x000000000000ABC0.log").write_bytes(b"".join(log.lines))
    log = _Log("Europe/Berlin")
    for _ in range(1000):
        log.line(7000, 2, 12)
    (beta / "0x000000000000ABC1.log").write_bytes(b"".join(log.lines[:700]) + b"broken\n" * 300)


def _opens(log: _Log) -> None:
    # Kept are 400, 460 and 600. From the last open, kept or not, 460 would fall; with 60 s still inside, 519.999 would stay.
    for seconds in (400, 440, 459.999, 460, 519.999, 600):
        log.line(seconds, 1, 1)
    log.line(500, 0, 1, user_agent=GMAIL)
    log.line(501, 0, 1, user_agent="")
    log.line(410, 1, 1, HALF)
    log.line(700, 1, 1, ALL_TEXT, user_agent=CHROME.format(131))
    log.line(700, 0, 1, NO_MESSAGE)
    log.line(90_000, 77, 1)
    log.line(90_030, 77, 1)  # a dropped duplicate is the delivery's newest event


def _reactions(log: _Log) -> None:
    # Two versions of a browser, and two messages of one person; a page without a click.
    log.line(899.9, 2, 11, requester=FLORIAN, user_agent=CHROME.format(131))
    log.line(900, 2, 11, requester=FLORIAN.lower(), user_agent=CHROME.format(132))
    log.line(901, 3, 11, requester=FLORIAN, user_agent=CHROME.format(132))
    log.line(902, 4, 16, user_agent=CHROME.format(132))
    log.line(903, 0, 11, user_agent=CHROME.format(132))
    log.line(904, 3, 14, requester=FLORIAN, user_agent=CHROME.format(132))
    log.line(1000, 3, 11)  # a click without an open, of nobody known by UUID
    log.line(1001, 3, 12)
    log.line(1002, 0, 12, requester="e5155671-4ab7-4ce4-a763-3b82dda6d881")
    log.line(8000, 3, 13)
    log.line(9001, 3, 24)
    log.line(9002, 4, 14)
    log.line(9003, 4, 15)
    log.line(9004, 5, 16, parameters="amount=5&article=3")
    log.line(9005, 5, 17, parameters="amount=1%302.50&amount=7&article=2&article=9")
    log.line(9306, 5, 17, parameters="amount=0.000000000000000000001&article=x")
    log.line(9007, 5, 11, parameters="article=4")
    log.line(9008, 6, 18)  # a URL of type 2 that is not the pixel
    log.line(9009, 8, 404)  # an unknown URL of a message that does nothing else
    log.line(9010, 301, 31)  # message and URL of another delivery
    log.line(9010, 301, 31, HALF)
    log.line(9011, -2, 27)
    log.line(9012, 7, 25)
    # On 2 November, 01:35 by New York's clock, which shows that time again an hour later.
    for hour in (0, 1):
        log.line(63 * 86_400 + (3.5 + hour) * 3600 + 300, 301, 31, HALF)
    log.line(100, 1, 11, STRANGE)
    log.line(101, 950, 951, STRANGE)


def _refused(log: _Log) -> None:
    """Reactions before, while and after tracking is refused, as `_consents` say."""
    for seconds in (29_970, 30_040, 30_190, 30_210):
        log.line(seconds, 21, 1)
    for seconds in (30_000, 30_100, 30_200):
        log.line(seconds, 21, 11)
    log.line(30_001, 22, 11)
    log.line(30_001, 23, 11)
    log.line(30_300, 23, 11)
    for place in range(3):
        log.line(30_001 + place, 24, 11 + place, address="198.51.100.7")
    log.line(30_001, 25, 11)


def _consents() -> Iterable[dict[str, Any]]:
    def chosen(recipient_id: int, seconds: int, is_allowed: str, purpose: str = "tracking") -> dict[str, Any]:
        at = (CONTACT + timedelta(seconds=seconds)).isoformat()
        return {"recipient_id": recipient_id, "purpose": purpose, "is_allowed": is_allowed, "effective_at": at}

    yield chosen(61, 30_200, "true")
    yield chosen(61, 30_000, "false")
    yield chosen(62, 30_000, "false", "profiling")
    yield chosen(63, 30_000, "")
    yield chosen(63, 30_100, "false")
    yield chosen(63, 30_200, "0")
    yield chosen(64, 30_000, "false")
    yield chosen(64, 30_003, "true")
    yield chosen(0, 30_000, "false")


def _peer_clicks(log: _Log) -> None:
    """Each peer has another click rate."""
    for peer in PEERS:
        for number in range(peer - 198):
            log.line(20_000 + number, 10 * peer, 100 * peer, peer, requester=f"{peer}-{number}")


def _write_exports(alpha: Path, beta: Path) -> None:
    alpha.mkdir(parents=True)
    beta.mkdir(parents=True)
    _write(alpha, "deliveries", _deliveries())
    _write(alpha, "messages", _messages())
    _write(alpha, "tracked_urls", [{"delivery_id": MAIN, "content_part": "html"} | url for url in URLS])
    _write(alpha, "exclusions", _exclusions())
    _write(alpha, "consents", _consents())
    _write(alpha, "recipients", [{"recipient_id": number, "first_name": f"First {number}"} for number in (1, 2)])
    urls = [
        {"url_id": 100 * peer, "delivery_id": peer, "type": 1, "source_url": f"https://{peer}.example/"}
        for peer in PEERS
    ]
    _write(
        beta,
        "tracked_urls",
        [
            *urls,
            {"url_id": 31, "delivery_id": HALF, "type": 1, "source_url": "https://p.example/"},
            *({"delivery_id": JUDGED, "source_url": "https://s.example/"} | url for url in edge_actors.URLS),
        ],
    )
    _write(beta, "recipients", [{"recipient_id": 2, "first_name": "Second", "email_format": 2}])


def _deliveries() -> Iterable[dict[str, Any]]:
    contact = CONTACT.isoformat()
    plain = {"channel": 0, "state": 95, "typology_id": 1, "is_proof": "false", "is_model": "f", "contact_at": contact}
    yield plain | {"delivery_id": MAIN, "label": "Old", "to_deliver_count": 9, "modified_at": "2025-08-30T00:00:00Z"}
    yield plain | {
        "delivery_id": MAIN,
        "label": "Same age",
        "to_deliver_count": 8,
        "modified_at": "2025-09-01T00:00:00Z",
    }
    counts = {"target_count": 12, "rejected_count": 4, "to_deliver_count": 8, "new_quarantine_count": 1}
    main = plain | counts | {"delivery_id": MAIN, "label": "Main", "modified_at": "2025-09-01T00:00:00Z"}
    yield main | {"contact_at": CONTACT.astimezone(ZoneInfo("Europe/Berlin")).isoformat()}
    yield plain | {"delivery_id": MAIN, "label": "Older, read last", "modified_at": "2025-08-29T00:00:00Z"}
    yield plain | {"delivery_id": HALF, "to_deliver_count": 5, "text_count": 3, "typology_id": 9}
    yield plain | {
        "delivery_id": ALL_TEXT,
        "target_count": 0,
        "rejected_count": 2,
        "to_deliver_count": 4,
        "text_count": 4,
        "typology_id": 9,
    }
    yield plain | {"delivery_id": NO_MESSAGE, "to_deliver_count": 1, "typology_id": 9}
    others: dict[int, dict[str, Any]] = {
        PROOF: {"is_proof": "true"},
        TEMPLATE: {"is_model": "t"},
        NO_TYPOLOGY: {"typology_id": ""},
        ALSO_NO_TYPOLOGY: {"typology_id": ""},
        OTHER_TYPOLOGY: {"typology_id": 2},
        OTHER_CHANNEL: {"channel": 1},
        WINDOW_START: {"contact_at": "2025-03-01T03:00:00Z"},  # 28 February, 22:00 in New York
        BEFORE_WINDOW: {"contact_at": "2025-03-01T02:59:59.999999Z"},
        LATER: {"contact_at": "2025-08-31T02:00:00.000001Z"},
    }
    yield plain | {"delivery_id": JUDGED, "to_deliver_count": 50, "text_count": 10, "typology_id": 8}
    for peer in PEERS:
        yield plain | others[peer] | {"delivery_id": peer, "to_deliver_count": 3, "text_count": 0}


def _exclusions() -> Iterable[dict[str, Any]]:
    newer, older = {"modified_at": "2025-08-30T00:00:00Z"}, {"modified_at": "2025-08-29T00:00:00Z"}
    yield {"delivery_id": MAIN, "recipient_id": 41, "reason": "quarantine"} | newer
    yield {"delivery_id": MAIN, "recipient_id": 41, "reason": "duplicate"} | newer
    yield {"delivery_id": MAIN, "recipient_id": 41, "reason": "denylist"} | older
    yield {"delivery_id": MAIN, "recipient_id": 42, "reason": "quarantine"}
    yield {"delivery_id": MAIN, "recipient_id": 43, "reason": "duplicate"}
    yield {"delivery_id": MAIN, "recipient_id": 44, "reason": ""}
    yield {"delivery_id": HALF, "recipient_id": 42, "reason": "empty"}
    yield {"delivery_id": STRANGE, "recipient_id": 43, "reason": "duplicate"}


def _messages() -> Iterable[dict[str, Any]]:
    sent = {"delivery_id": MAIN, "status": 1, "failure_reason": 0, "is_seed": "0", "event_at": "2025-08-31T02:00:05Z"}
    domains = {1: "Hotmail.com", 2: "live.com", 3: "gmail.com", 4: "mail.gmail.com", -2: "yahoo.com"}
    yield from (
        sent | {"message_id": number, "recipient_id": number, "address_domain": domain}
        for number, domain in domains.items()
    )
    yield sent | {"message_id": 5, "recipient_id": 5, "is_seed": "1", "address_domain": "gmail.com"}
    yield sent | {"message_id": 6, "recipient_id": 6, "status": 2, "failure_reason": 8, "address_domain": "gmail.com"}
    yield sent | {"message_id": 7, "recipient_id": 7, "status": 2, "failure_reason": 8, "is_seed": "1"}
    yield from (
        sent | {"message_id": 700 + place, "status": 2, "failure_reason": reason, "address_domain": "gmail.com"}
        for place, reason in enumerate([1, 1, 2, 3, 4, 5, 6, 20, "", 99])
    )
    yield sent | {"message_id": 720, "status": 6, "failure_reason": 1, "address_domain": "gmail.com"}
    yield sent | {"message_id": 721, "status": 2, "failure_reason": 1, "address_domain": "example.net"}
    yield sent | {"message_id": 9, "recipient_id": 9, "status": 6, "failure_reason": 8}
    yield from (sent | {"message_id": 20 + number, "recipient_id": 60 + number} for number in range(1, 5))
    judged = sent | {"delivery_id": JUDGED, "event_at": edge_actors.SENT_AT}
    yield from (judged | {"message_id": number, "recipient_id": number} for number in edge_actors.MESSAGES)
    yield sent | {"message_id": 301, "delivery_id": HALF, "recipient_id": 31}
    for peer in PEERS:
        yield sent | {"message_id": 10 * peer, "delivery_id": peer}
        yield sent | {"message_id": 10 * peer + 1, "delivery_id": peer}


def _write(folder: Path, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, TABLES[table].keys(), restval="")
        writer.writeheader()
        writer.writerows(rows)
