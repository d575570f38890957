"""The links of a message body, for Hot clicks (design §4.3)."""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from typing import Literal

from selectolax.lexbor import LexborHTMLParser

ContentPart = Literal["html", "text"]

MOST_TAGS = 100_000
"""Parsing takes time by the square of the depth, and memory by the number of tags; mails have some thousands."""

_TEXT_LINK = re.compile(r"""(?:(?<=[\s<("'\[])|^)https?://[^\s<>"]*""")
_CLOSING_PUNCTUATION = ".,;:!?)]'"


class TooManyTagsError(ValueError):
    """A body with more than `MOST_TAGS` tags, which no mail program would show."""


def count_links(body: bytes, part: ContentPart) -> Counter[str]:
    """Count how often each URL is linked to in a body as it was read: UTF-8, or UTF-16 with a byte order mark.

    In HTML a link is the `href` of an `<a>`, with its character references resolved, of the document that a browser
    makes of it; comments hold none. In text it is what stands between `http://` or `https://` at a word's beginning and
    the next white space, `<`, `>` or `"`, without the punctuation at its end. What is not readable as a character, and
    NUL, is U+FFFD. Raises TooManyTagsError.
    """
    text = _decoded(body).replace("\0", "\ufffd")
    return Counter(_html_links(text) if part == "html" else _text_links(text))


def _decoded(body: bytes) -> str:
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return body.decode("utf-16", errors="replace")
    return body.decode("utf-8-sig", errors="replace")


def _html_links(html: str) -> list[str]:
    if html.count("<") > MOST_TAGS:
        raise TooManyTagsError(f"more than {MOST_TAGS:,} tags are in it")
    return [link.attributes["href"] or "" for link in LexborHTMLParser(html).css("a[href]")]


def _text_links(text: str) -> list[str]:
    return [link.rstrip(_CLOSING_PUNCTUATION) for link in _TEXT_LINK.findall(text)]
