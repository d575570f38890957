"""Every verdict of the tracking-log parser, without a database."""

import ipaddress
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from message_tracking.parsing.tracking_log import (
    ACCEPTED_SCHEMA,
    ADDRESS,
    GRAMMAR,
    REJECT_REASONS,
    REJECTED_SCHEMA,
    ParsedBlock,
    parse_block,
)

UUID = "e5155671-4ab7-4ce4-a763-3b82dda6d881"
LINE = f"50x000000000FD7EC86\t2017-06-24T21:00:50.96\t1f506d71\t1aeab4b6\t1af77020\t0\t{UUID}\th\t\tMozilla/5.0 (X)\t52.46.20.64"
OTHER_UUID = "730EDCC9-1F2C-4C75-BA3A-889BC666C6C7"
VALID = {
    "first line": LINE,
    "open, no UUID, IPv6": "50x000000000FD7EC87\t2017-06-24T21:01:02.5\t1f506d71\t1aeab4b6\t1\t0\t\th\t\tMozilla/5.0 (…)\t2001:db8::1",
    "comma variant": f"10x00000000000A0001\t2017-06-24T21:03:00\t1f506d71\t1aeab4b6\t1af77021\t0\t{OTHER_UUID}\tt\t\tMozilla/5.0 (…)\t203.0.113.7, 10.0.0.4",
    "12th field": f"10x00000000000A0002\t2017-06-24T21:04:00\t1f506d71\t1aeab4b6\t1af77022\t0\t{OTHER_UUID}\th\tamount=100&article=2\tMozilla/5.0 (…)\t203.0.113.7\t10.0.0.4",
    "empty user agent and IP": "00x00000000000A0003\t2017-06-24T21:05:00\t1f506d71\t1aeab4b6\t1af77020\t0\t\th\t\t\t",
}
FIRST_STRICT = list(REJECT_REASONS).index("log_id_form")


def line_with(**fields: str) -> str:
    """The first valid line with some fields (f1 to f11) replaced."""
    parts = LINE.split("\t")
    for name, value in fields.items():
        parts[int(name[1:]) - 1] = value
    return "\t".join(parts)


def parse(text: str | bytes, **options: object) -> ParsedBlock:
    return parse_block(text.encode() if isinstance(text, str) else text, **options)


def reason_of(line: str | bytes) -> str | None:
    """The verdict on one line: None where it is accepted."""
    data = line.encode() if isinstance(line, str) else line
    parsed = parse(data + b"\n")
    assert parsed.line_count == 1
    assert parsed.accepted.height + parsed.rejected.height == 1
    return parsed.rejected["reason"][0] if parsed.rejected.height else None


def event(line: str | bytes, **options: object) -> dict[str, object]:
    """The one event of an accepted line."""
    parsed = parse(line, **options)
    assert parsed.rejected.height == 0, parsed.rejected["reason"][0]
    return parsed.accepted.row(0, named=True)


@pytest.mark.parametrize("line", VALID.values(), ids=VALID.keys())
def test_valid_lines_of_the_specification(line):
    assert reason_of(line) is None


CORRUPTED = {
    "a field missing": (LINE.replace("\t0\t", "\t"), "field_count"),
    "id without prefix character": (LINE[1:], "log_id_characters"),
    "date ending in Z": (line_with(f2="2017-06-24T21:00:50Z"), "date_characters"),
    "date with a space": (line_with(f2="2017-06-24 21:00:50"), "date_characters"),
    "date with an offset": (line_with(f2="2017-06-24T21:00:50+02:00"), "date_characters"),
    "signed id": (line_with(f3="-1f506d71"), "message_id_characters"),
    "non-hex id": (line_with(f3="1f506d7g"), "message_id_characters"),
    "non-hex delivery": (line_with(f4="1f506d7g"), "delivery_id_characters"),
    "non-hex URL": (line_with(f5="-1"), "url_id_characters"),
    "hyphen in field 6": (line_with(f6="-"), "field_6_characters"),
    "braces round the UUID": (line_with(f7="{" + UUID + "}"), "requester_uuid_characters"),
    "control character in field 8": (line_with(f8="\x01"), "requester_type_characters"),
    "control character in field 9": (line_with(f9="a\x02"), "parameters_characters"),
    "NUL in the user agent": (line_with(f10="Mozilla\x00"), "user_agent_characters"),
    "ESC in the user agent": (line_with(f10="Mozilla\x1b"), "user_agent_characters"),
    "DEL in the user agent": (line_with(f10="Mozilla\x7f"), "user_agent_characters"),
    "C1 control in the user agent": (line_with(f10="Mozilla\x85"), "user_agent_characters"),
    "raw tab in the user agent": (line_with(f10="Mozilla\t(X)"), "client_ip_characters"),
    "raw tab in the user agent of a line of 12 fields": (line_with(f10="a\tb") + "\tx", "field_count"),
    "host name as IP": (line_with(f11="proxy.example"), "client_ip_characters"),
    "zone in the IP": (line_with(f11="fe80::1%eth0"), "client_ip_characters"),
    "space-separated list as IP": (line_with(f11="203.0.113.7 10.0.0.4"), "client_ip_characters"),
    "list in field 11 of a line of 12 fields": (line_with(f11="203.0.113.7, 10.0.0.4") + "\tx", "client_ip_characters"),
    "control character in field 12": (LINE + "\t\x1b", "field_12_characters"),
    "truncated line": (LINE[:60], "field_count"),
    "two records glued on one line": (LINE + LINE, "field_count"),
    "empty line": ("", "empty_line"),
    "carriage return that is not the last": (line_with(f10="Mozilla\r"), "user_agent_characters"),
    "two carriage returns": (LINE + "\r\r", "client_ip_characters"),
    "UUID as message id": (line_with(f3=UUID), "message_id_uuid"),
    "UUID as message id and much else": (line_with(f3=UUID, f4="-", f5="g", f6="-", f11="x"), "message_id_uuid"),
}
STRICT = {
    "log id without 0": (line_with(f1="51x000000000FD7EC86"), "log_id_form"),
    "log id of 15 digits": (line_with(f1="50x00000000FD7EC86"), "log_id_form"),
    "log id of 17 digits": (line_with(f1="50x0000000000FD7EC86"), "log_id_form"),
    "log id that is not hex": (line_with(f1="50x000000000FD7ECZZ"), "log_id_form"),
    "prefix only": ("50x" + "\t" * 10, "log_id_form"),
    "counter of 2^63": (line_with(f1="50x8000000000000000"), "log_id_range"),
    "empty date": (line_with(f2=""), "date_form"),
    "date without time": (line_with(f2="2017-06-24"), "date_form"),
    "date without seconds": (line_with(f2="2017-06-24T21:00"), "date_form"),
    "date that ends with the point": (line_with(f2="2017-06-24T21:00:50."), "date_form"),
    "date with two fractions": (line_with(f2="2017-06-24T21:00:50.1.2"), "date_form"),
    "30 February": (line_with(f2="2016-02-30T21:00:50"), "date_calendar"),
    "29 February of no leap year": (line_with(f2="2017-02-29T21:00:50"), "date_calendar"),
    "month 13": (line_with(f2="2017-13-01T21:00:50"), "date_calendar"),
    "day 0": (line_with(f2="2017-12-00T21:00:50"), "date_calendar"),
    "hour 24": (line_with(f2="2017-06-24T24:00:00"), "date_calendar"),
    "minute 60": (line_with(f2="2017-06-24T21:60:00"), "date_calendar"),
    "second 60": (line_with(f2="2016-12-31T23:59:60"), "date_calendar"),
    "year 0": (line_with(f2="0000-01-01T00:00:00"), "date_range"),
    "before 2000": (line_with(f2="1999-12-31T23:59:59.999999"), "date_range"),
    "far ahead": (line_with(f2="9999-12-31T23:59:59"), "date_range"),
    "empty message id": (line_with(f3=""), "message_id_length"),
    "message id of 9 digits": (line_with(f3="01f506d71"), "message_id_length"),
    "empty delivery id": (line_with(f4=""), "delivery_id_length"),
    "delivery id of 9 digits": (line_with(f4="01f506d71"), "delivery_id_length"),
    "empty URL id": (line_with(f5=""), "url_id_length"),
    "URL id of 9 digits": (line_with(f5="000000001"), "url_id_length"),
    "UUID of 49 characters": (line_with(f7="a" * 49), "requester_uuid_length"),
    "two letters in field 8": (line_with(f8="hh"), "requester_type_form"),
    "digit in field 8": (line_with(f8="1"), "requester_type_form"),
    "letter beyond ASCII in field 8": (line_with(f8="é"), "requester_type_form"),
    "octet of 256": (line_with(f11="203.0.113.256"), "client_ip_form"),
    "leading zero in an octet": (line_with(f11="203.0.113.07"), "client_ip_form"),
    "three octets": (line_with(f11="203.0.113"), "client_ip_form"),
    "raw tab before a number in the user agent": (line_with(f10="Mozilla\t5.0"), "client_ip_form"),
    "two double colons": (line_with(f11="2001::db8::1"), "client_ip_form"),
    "a list that begins with nothing": (line_with(f11=",10.0.0.4"), "client_ip_form"),
    "a list that begins with a blank": (line_with(f11=":,10.0.0.4"), "client_ip_form"),
    "first of several": (line_with(f3="", f8="hh", f11="1"), "message_id_length"),
    "grammar before strict": (line_with(f1="50x1", f11="proxy"), "client_ip_characters"),
}


@pytest.mark.parametrize(("line", "reason"), CORRUPTED.values(), ids=CORRUPTED.keys())
def test_corrupted_lines_fail_the_grammar(line, reason):
    assert reason_of(line) == reason
    assert list(REJECT_REASONS).index(reason) < FIRST_STRICT
    assert not re.search(GRAMMAR, line.removesuffix("\r"))


@pytest.mark.parametrize(("line", "reason"), STRICT.values(), ids=STRICT.keys())
def test_strict_layer(line, reason):
    assert reason_of(line) == reason


def test_every_reason_is_proved():
    proved = {reason for _, reason in (*CORRUPTED.values(), *STRICT.values())}
    assert proved == set(REJECT_REASONS)


def test_schemas():
    parsed = parse(LINE + "\n\n")
    assert parsed.accepted.schema == ACCEPTED_SCHEMA
    assert parsed.rejected.schema == REJECTED_SCHEMA
    nothing = parse("")
    assert (nothing.line_count, nothing.accepted.schema, nothing.rejected.schema) == (
        0,
        ACCEPTED_SCHEMA,
        REJECTED_SCHEMA,
    )


def test_values():
    assert event(VALID["12th field"]) == {
        "line": 0,
        "prefix": "1",
        "counter": 0xA0002,
        "occurred_at": datetime(2017, 6, 24, 21, 4, tzinfo=UTC),
        "message_id": 0x1F506D71,
        "delivery_id": 0x1AEAB4B6,
        "url_id": 0x1AF77022,
        "field_6": "0",
        "requester_uuid": OTHER_UUID,
        "requester_type": "h",
        "parameters": "amount=100&article=2",
        "user_agent": "Mozilla/5.0 (…)",
        "client_ip": "203.0.113.7",
        "field_12": "10.0.0.4",
        "has_replaced_bytes": False,
    }
    assert event(VALID["comma variant"])["client_ip"] == "203.0.113.7, 10.0.0.4"
    assert event(VALID["comma variant"])["field_12"] is None
    assert event(LINE + "\t")["field_12"] == ""


def test_unsigned_ids_become_signed_32_bit():
    found = event(line_with(f3="87536dde", f4="7fffffff", f5="FFFFFFFF"))
    assert (found["message_id"], found["delivery_id"], found["url_id"]) == (0x87536DDE - 2**32, 2**31 - 1, -1)
    assert event(line_with(f3="80000000"))["message_id"] == -(2**31)


@pytest.mark.parametrize("digits", ["7FFFFFFFFFFFFFFF", "7fffffffffffffff"])
def test_greatest_counter(digits):
    assert event(line_with(f1="Z0x" + digits))["counter"] == 2**63 - 1


def test_prefix_is_case_sensitive():
    parsed = parse("\n".join(line_with(f1=prefix + "0x00000000000000AB") for prefix in "aA"))
    assert parsed.accepted["prefix"].to_list() == ["a", "A"]


@pytest.mark.parametrize(
    ("fraction", "microseconds"),
    [("", 0), (".9", 900_000), (".96", 960_000), (".000001", 1), (".1234567", 123_456), (".999999999999", 999_999)],
)
def test_fraction_is_decimal_and_cut_after_six_digits(fraction, microseconds):
    assert event(line_with(f2="2017-06-24T21:00:50" + fraction))["occurred_at"].microsecond == microseconds


def test_dates_up_to_a_day_ahead():
    loaded_at = datetime(2017, 6, 23, 21, 0, 50, 960_000, tzinfo=UTC)
    assert parse(LINE, loaded_at=loaded_at).accepted.height == 1
    late = parse(LINE, loaded_at=loaded_at - timedelta(microseconds=1))
    assert late.rejected["reason"].to_list() == ["date_range"]
    assert reason_of(line_with(f2="2000-01-01T00:00:00")) is None


@pytest.mark.parametrize(
    ("clock", "zone", "utc"),
    [
        ("2017-06-24T21:00:50.5", "Europe/Paris", "2017-06-24T19:00:50.500000"),
        ("2017-10-29T02:30:00", "Europe/Paris", "2017-10-29T00:30:00"),  # comes twice: the first
        ("2017-03-26T02:30:00", "Europe/Paris", "2017-03-26T01:30:00"),  # skipped: 03:30 summer time
        ("2026-03-29T01:59:59.9", "Europe/Paris", "2026-03-29T00:59:59.900000"),
        ("2026-03-29T03:00:00", "Europe/Paris", "2026-03-29T01:00:00"),
        ("2026-10-25T01:59:59.9", "Europe/Paris", "2026-10-24T23:59:59.900000"),
        ("2026-10-25T02:00:00", "Europe/Paris", "2026-10-25T00:00:00"),
        ("2026-10-25T03:00:00", "Europe/Paris", "2026-10-25T02:00:00"),
        ("2026-01-06T00:00:00", "Asia/Kolkata", "2026-01-05T18:30:00"),
        ("2011-12-30T12:00:00", "Pacific/Apia", "2011-12-30T22:00:00"),  # a skipped day
        ("2017-06-24T21:00:50", "Etc/UTC", "2017-06-24T21:00:50"),
    ],
)
def test_time_zone(clock, zone, utc):
    found = event(line_with(f2=clock), time_zone=zone)["occurred_at"]
    assert found == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_carriage_returns():
    parsed = parse((LINE + "\r\n") * 2 + "\r\n" + LINE + "\r")
    assert parsed.accepted["client_ip"].to_list() == ["52.46.20.64"] * 3
    assert parsed.rejected.select("line", "reason", "raw_line", "byte_offset").rows() == [
        (2, "empty_line", b"\r", 2 * len(LINE) + 4)
    ]


def test_utf8_is_kept_and_other_bytes_are_replaced_and_flagged():
    data = b"\n".join(
        [
            line_with(f10="Nürnberg").encode(),
            line_with(f10="X").encode().replace(b"X", b"N\xfcrnberg"),
            # As long as its replacement: the length alone would not tell.
            line_with(f10="X").encode().replace(b"X", b"\xf0\x9f\x98"),
            b"\xff",
            line_with(f10="�").encode(),
        ]
    )
    parsed = parse(data)
    assert parsed.accepted.select("user_agent", "has_replaced_bytes").rows() == [
        ("Nürnberg", False),
        ("N�rnberg", True),
        ("�", True),
        ("�", False),
    ]
    assert parsed.rejected["raw_line"].to_list() == [b"\xff"]
    assert parsed.rejected["byte_offset"].to_list() == [data.index(b"\n\xff") + 1]


def test_log_id_of_a_rejected_line_where_it_can_be_read():
    lines = [line_with(f3="g"), line_with(f1="50x8000000000000000"), "", LINE[:19], LINE[:18], line_with(f1="50xAB")]
    parsed = parse("\n".join(lines) + "\n")
    assert parsed.rejected["counter"].to_list() == [0xFD7EC86, None, None, 0xFD7EC86, None, None]
    assert parsed.rejected["prefix"].to_list() == ["5", None, None, "5", None, None]


def test_verdicts_on_random_mutations_are_those_of_the_published_grammar():
    chance = random.Random(7)
    base = LINE.encode()
    pieces = [b"\t", b"\r", b"\0", b"\x1b", b"x", b"g", b"-", b".", b":", b",", b" ", b"\xc3\xa9", b"\xff"]
    pieces += [b"\xc2\x85", b"\xe2\x80\xa8", b"", b"0", b"Z", b"\x7f", b"\xf0\x9f\x98", b"\xed\xa0\x80"]
    lines = []
    for _ in range(10_000):
        line = bytearray(base)
        for _ in range(chance.choice([0, 1, 1, 2, 5])):
            start = chance.randrange(len(line) + 1)
            line[start : start + chance.choice([0, 0, 1, 1, 5])] = chance.choice(pieces)
        line += chance.choice([b"", b"", b"", b"\t10.0.0.4", b", 10.0.0.4", b"\r"])
        lines.append(bytes(line))
    parsed = parse(b"\n".join(lines) + b"\n")
    refused = dict(parsed.rejected.select("line", "reason").rows())
    codes = list(REJECT_REASONS)
    assert set(refused) | set(parsed.accepted["line"]) == set(range(len(lines)))
    for place, line in enumerate(lines):
        text = line.removesuffix(b"\r").decode(errors="replace")
        is_grammatical = re.search(GRAMMAR, text) is not None
        says_grammatical = place not in refused or codes.index(refused[place]) >= FIRST_STRICT
        assert says_grammatical == is_grammatical, line


def test_addresses_are_those_of_the_standard_library():
    chance = random.Random(11)

    def octet() -> str:
        return chance.choice(["0", "00", "01", "99", "199", "255", "256", "300", "", str(chance.randrange(256))])

    def group() -> str:
        return chance.choice(["0", "ab", "FFFF", "12345", "", *(f"{chance.randrange(65536):x}" for _ in range(5))])

    def address() -> str:
        if chance.random() < 0.3:
            return ".".join(
                str(chance.randrange(256)) if chance.random() < 0.8 else octet()
                for _ in range(chance.choice([3, 4, 4, 4, 5]))
            )
        groups = [group() for _ in range(chance.randrange(10))]
        if chance.random() < 0.2:
            groups.append(chance.choice(["1.2.3.4", "1.2.3.256"]))
        if chance.random() < 0.6:
            groups.insert(chance.randrange(len(groups) + 1), "")
        return chance.choice(["", "", "", ":"]) + ":".join(groups) + chance.choice(["", "", "", ":"])

    def is_address(text: str) -> bool:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return False
        return True

    texts = [address() for _ in range(50_000)]
    verdicts = pl.Series(texts).str.contains(ADDRESS).to_list()
    assert verdicts == [is_address(text) for text in texts]
    assert 5_000 < sum(verdicts) < 45_000


def test_every_reason_is_documented():
    page = (Path(__file__).parents[3] / "docs" / "sources.md").read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("| `")][-len(REJECT_REASONS) :] == [
        f"| `{code}` | {meaning} |" for code, meaning in REJECT_REASONS.items()
    ]
