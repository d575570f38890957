"""The links of message bodies, for Hot clicks (design §4.3)."""

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from html.entities import html5

import polars as pl
from tests.oracle.rules import Rules
from tests.oracle.sources import SourceFolder

PARTS = {".html": "html", ".txt": "text"}

# The states of the HTML standard's tokenizer that decide where a tag begins and ends.
_COMMENT = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))", re.DOTALL)
_BOGUS_COMMENT = re.compile(r"<(?:[!?]|/(?![a-zA-Z]))[^>]*>?")
_TAG = re.compile(r"<(/?)([a-zA-Z][^\t\n\f />]*)")
_ATTRIBUTE = re.compile(
    r"[\t\n\f /]*([^\t\n\f />][^\t\n\f />=]*)(?:[\t\n\f ]*=[\t\n\f ]*(?:\"([^\"]*)(?:\"|\Z)|'([^']*)(?:'|\Z)|([^\t\n\f >]*)))?"
)
_TAG_END = re.compile(r"[\t\n\f /]*>")
_WITHOUT_TAGS = {"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"}
_REFERENCE = re.compile(r"&(#[xX][0-9a-fA-F]+;?|#[0-9]+;?|[a-zA-Z][a-zA-Z0-9]*;?)")

_TEXT_LINK = re.compile(r"""(?<![^\s<("'\[])https?://[^\s<>"]*""")


def read_bodies(sources: Sequence[SourceFolder], rules: Rules) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the bodies at hand (delivery_id, content_part) and how often each holds a link (…, source_url, link_count)."""
    paths = {
        (int(path.stem), PARTS[path.suffix]): path
        for source in sources
        for path in sorted(source.path.glob("contents/*"))
        if path.suffix in PARTS and re.fullmatch("-?[0-9]+", path.stem)
    }
    links = []
    for (delivery_id, part), path in paths.items():
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        found = html_links(text, rules) if part == "html" else text_links(text, rules)
        links += [(delivery_id, part, link, count) for link, count in Counter(found).items()]
    key = {"delivery_id": pl.Int64(), "content_part": pl.String()}
    return (
        pl.DataFrame(list(paths), schema=key, orient="row"),
        pl.DataFrame(links, schema=key | {"source_url": pl.String(), "link_count": pl.Int64()}, orient="row"),
    )


def html_links(text: str, rules: Rules | None = None) -> list[str]:
    """Return the unescaped `href` of every start tag `<a>`, in the order of the body."""
    rules = rules or Rules()
    tags = {"a"} if rules.only_anchors_are_links else {"a", "area"}
    links = []
    for tag, attributes in _start_tags(text.replace("\r\n", "\n").replace("\r", "\n"), rules):
        if tag in tags and "href" in attributes:
            links.append(_unescaped(attributes["href"]) if rules.links_are_unescaped else attributes["href"])
    return links


def text_links(text: str, rules: Rules | None = None) -> list[str]:
    """Return the http and https links of a text body, without the punctuation that follows them."""
    punctuation = ".,;:!?)]'" if (rules or Rules()).text_links_end_before_punctuation else ""
    return [link.rstrip(punctuation) for link in _TEXT_LINK.findall(text)]


def _start_tags(text: str, rules: Rules) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name and the attributes of the start tags; of equal attributes the first holds."""
    position = 0
    while (position := text.find("<", position)) >= 0:
        comment = _COMMENT.match(text, position) if rules.comments_hold_no_links else None
        if comment := comment or _BOGUS_COMMENT.match(text, position):
            position = comment.end()
            continue
        tag = _TAG.match(text, position)
        if not tag:
            position += 1
            continue
        position = tag.end()
        attributes: dict[str, str] = {}
        while not (end := _TAG_END.match(text, position)) and (attribute := _ATTRIBUTE.match(text, position)):
            name, *values = attribute.groups()
            attributes.setdefault(name.lower(), next((value for value in values if value is not None), ""))
            position = attribute.end()
        if not end:
            return  # the body ends inside a tag, which is none then
        position = end.end()
        name = tag[2].lower()
        if tag[1]:
            continue
        yield name, attributes
        if name in _WITHOUT_TAGS:
            closing = re.compile(rf"</{name}(?=[\t\n\f />])", re.IGNORECASE).search(text, position)
            position = closing.start() if closing else len(text)


def _unescaped(value: str) -> str:
    """Resolve the character references of an attribute, where `&copy=1` and `&notit;` are none (HTML standard §13.2.5.73)."""
    return _REFERENCE.sub(_character, value)


def _character(reference: re.Match[str]) -> str:
    name = reference[1]
    if name.startswith("#"):
        return html.unescape(reference[0])
    if name in html5 and name.endswith(";"):
        return html5[name]
    following = reference.string[reference.end() : reference.end() + 1]
    return html5[name] if name in html5 and following != "=" else reference[0]
