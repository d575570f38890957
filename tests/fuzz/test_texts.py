"""Message bodies, parameters and user agents, mutated: what is made of them can be stored, and nothing else happens."""

from collections import Counter
from random import Random

import pytest
from tests.fuzz.line_verdicts import corpus
from tests.fuzz.mutating import Mutations, changed_bytes, changed_case
from tests.oracle.bodies import text_links

from message_tracking.loading.user_agents import parsed_user_agent
from message_tracking.parsing.message_body import MOST_TAGS, TooManyTagsError, count_links
from message_tracking.settings import PROJECT

SAMPLE = PROJECT / "src" / "message_tracking" / "sample"
PAGE = next((SAMPLE / "golden").rglob("*.html")).read_bytes()
TAGS = (
    b"<a href='https://a.example/?x=1&amp;y=2'>a</a><table><tr><td><a href=b><!-- <a href=c> --><svg><a href=d></svg>"
)
TEXT = b"Read https://a.example/. Or (https://b.example/x?y=1&z=2#f), <http://c.example/>\nhttps://d.example/\xc3\xa9\n"
HOSTILE = {
    "unclosed tags": b"<a href=1" * 50_000,
    "nested links": b"<a href=1>" * 5_000,
    "nested tables": b"<table><tr><td><a href=1>" * 2_000,
    "nested formatting": b"<b><i><u><a href=1>" * 2_000,
    "a million character references": b"<a href='" + b"&amp;" * 1_000_000 + b"'>",
    "unknown character references": b"<a href='" + b"&#9999999999;&#xd800;&#0;&x" * 50_000 + b"'>",
    "a million attributes": b"<a " + b"x=1 " * 1_000_000 + b"href=1>",
    "a comment that never ends": b"<!--" + b"-" * 1_000_000,
    "every tag at once": b"".join(
        b"<%s>" % tag.encode() for tag in ("svg math select template frameset plaintext " * 500).split()
    ),
    "too many tags": b"<a>" * (MOST_TAGS + 1),
    "half a character of UTF-16": b"\xff\xfe" + "<a href='é'>".encode("utf-16-le") + b"\x00",
    "a million links": b"https://a.example/ " * 1_000_000,
    "a link of a million brackets": b"https://a.example/" + b")]'.,;:!?" * 1_000_000,
}


def storable_links(body: bytes, part: str) -> Counter[str]:
    """Count links, none where there are too many tags; Postgres takes neither NUL nor half a character."""
    try:
        links = count_links(body, part)
    except TooManyTagsError:
        return Counter()
    assert "\0" not in "".join(links).encode().decode()
    assert all(count > 0 for count in links.values())
    return links


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bodies(body: bytes):
    storable_links(body, "html")
    storable_links(body, "text")


def test_mutated_bodies():
    chance = Random(1)
    found = Counter()
    for number in range(2_000):
        body = chance.choice((PAGE, TAGS * 3, TEXT + TAGS))
        for _ in range(chance.randrange(12)):
            body = chance.choice((changed_bytes, changed_bytes, changed_case))(body, chance)
        if not number % 50:
            body = body.decode(errors="replace").encode("utf-16")
        found.update(storable_links(body, "html"))
    assert len(found) > 500


def test_links_of_mutated_texts():
    chance = Random(2)
    found = Counter()
    for _ in range(2_000):
        body = TEXT
        for _ in range(chance.randrange(6)):
            body = changed_bytes(body, chance)
        links = storable_links(body, "text")
        # One byte order mark is none of the text's characters.
        assert links == Counter(text_links(body.decode("utf-8-sig", errors="replace").replace("\0", "\ufffd")))
        found.update(links)
    assert len(found) > 200


def test_mutated_user_agents():
    agents = [fields[9] for line in corpus() if len(fields := line.split(b"\t")) > 9]
    for agent in Mutations(agents, b" ", 3).lines(2_000):
        for text in (agent.decode(errors="replace"), "(" * len(agent), "Mozilla/" + "9" * len(agent)):
            parsed = parsed_user_agent(text)
            assert len(parsed) == 5
            "".join(parsed).encode()
