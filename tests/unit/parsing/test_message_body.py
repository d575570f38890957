"""The links of message bodies, well-formed, odd and hostile."""

from collections import Counter

import pytest

from message_tracking.parsing.message_body import MOST_TAGS, TooManyTagsError, count_links


def html_links(body: str) -> list[str]:
    return sorted(count_links(body.encode(), "html").elements())


def text_links(body: str) -> list[str]:
    return sorted(count_links(body.encode(), "text").elements())


@pytest.mark.parametrize(
    ("body", "links"),
    [
        ('<a href="https://a.example/">A</a> <A HREF=https://a.example/>B</A>', ["https://a.example/"] * 2),
        ("<a href='https://a.example/?x=1&amp;y=2&#38;z=&#x33;'>", ["https://a.example/?x=1&y=2&z=3"]),
        ("<a href='https://a.example/?a=1&copy=2&copy;'>", ["https://a.example/?a=1&copy=2©"]),
        ("<a href='&amp;amp;'>", ["&amp;"]),
        ("<a href=' https://a.example/ '>", [" https://a.example/ "]),
        ("<a href=1 href=2><a href=3 title='>'><a\nclass=x\thref\n=\n4>", ["1", "3", "4"]),
        ("<a href>", [""]),
        ("<a name=top><area href=1><link href=2><img src=3><base href=4><abbr href=5>", []),
        ("<!-- <a href=1> --><!--[if mso]><a href=2></a><![endif]--><![if !mso]><a href=3></a><![endif]>", ["3"]),
        ("<!-- <a href=1>", []),
        ("<style>/*<a href=1>*/</style><script>'<a href=2>'</script><title><a href=3></title>", []),
        ("<textarea><a href=1></textarea><p title='<a href=2>'>", []),
        ("<table><tr><td><a href=1>x<td><div><a href=2><img src=y>", ["1", "2"]),
        ("<table><a href=1>moved before the table</a><tr><td><a href=2>", ["1", "2"]),
        ("<a href=1", []),
        ("a < b <a href=1>c</a> > d", ["1"]),
        ("<a href='a\0b'><a href='&#0;&#xD800;'>", ["a\ufffdb", "\ufffd\ufffd"]),
        ('<img src="data:image/png;base64,iVBORw0KGgo="><a href=1>', ["1"]),
        ("", []),
    ],
)
def test_links_of_html(body: str, links: list[str]) -> None:
    assert html_links(body) == links


@pytest.mark.parametrize(
    ("body", "links"),
    [
        ("http://a.example/ https://a.example/x?y=1&z=2#f", ["http://a.example/", "https://a.example/x?y=1&z=2#f"]),
        (
            "Look:\nhttps://a.example/.\tOr https://b.example/?! (https://c.example/),",
            [f"https://{x}.example/" for x in "abc"],
        ),
        (
            "<https://a.example/> \"https://b.example/\" 'https://c.example/' [https://d.example/]",
            [f"https://{x}.example/" for x in "abcd"],
        ),
        ("<https://a.example/><https://b.example/>", ["https://a.example/", "https://b.example/"]),
        ("https://a.example/x(1)", ["https://a.example/x(1"]),
        ("https://a.example/x,https://b.example/", ["https://a.example/x,https://b.example/"]),
        ("xhttps://a.example/ www.a.example ftp://a.example HTTPS://a.example mailto:https://a.example", []),
        ("https://a.example/&amp;é\u00a0b", ["https://a.example/&amp;é"]),
        ("https://a.example/ https://a.example/", ["https://a.example/"] * 2),
        ("https://a.example/\0b", ["https://a.example/\ufffdb"]),
        ("<a href=https://a.example/>", []),
        ("", []),
    ],
)
def test_links_of_text(body: str, links: list[str]) -> None:
    assert text_links(body) == links


@pytest.mark.parametrize("part", ["html", "text"])
@pytest.mark.parametrize(
    ("before", "encoding"),
    [(b"", "utf-8"), (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")],
)
def test_encodings(part: str, before: bytes, encoding: str) -> None:
    body = {"html": "<a href='https://é.example/'>", "text": "https://é.example/"}[part]
    assert count_links(before + body.encode(encoding), part) == {"https://é.example/": 1}


def test_what_is_not_utf8_is_replaced() -> None:
    assert count_links(b"<a href='https://\xe9.example/'>\xff", "html") == {"https://\ufffd.example/": 1}
    assert count_links(b"https://\xe9.example/ \xff\xfe", "text") == {"https://\ufffd.example/": 1}


def test_a_link_is_counted_as_often_as_it_stands_there() -> None:
    body = b"<a href=1>a</a>" * 3 + b"<a href=2>b</a>"
    assert count_links(body, "html") == Counter({"1": 3, "2": 1})


def test_a_body_of_50_mib_with_pictures_in_it() -> None:
    picture = b'<img src="data:image/png;base64,' + b"A" * (50 * 2**20) + b'">'
    assert count_links(b"<a href=1>" + picture + b"<a href=2>", "html") == {"1": 1, "2": 1}
    assert count_links(b"https://a.example/ " + b"x" * (50 * 2**20), "text") == {"https://a.example/": 1}


def test_deep_nesting() -> None:
    depth = 5_000
    assert html_links("<div>" * depth + "<a href=1>" + "</div>" * depth + "<a href=2>") == ["1", "2"]


def test_more_tags_than_a_mail_has_are_refused() -> None:
    with pytest.raises(TooManyTagsError, match="more than 100,000 tags"):
        html_links("<i>" * (MOST_TAGS + 1))
    assert text_links("<i>" * (MOST_TAGS + 1)) == []
