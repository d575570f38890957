"""Reactions written as log lines (spec §2.2), some of them corrupted (spec §2.4)."""

import io

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from message_tracking.sample.agents import APPLE_PREFETCH, GOOGLE_PROXY, READERS, USER_AGENTS, YAHOO_PROXY
from message_tracking.sample.campaign import Campaign
from message_tracking.sample.deliveries import Integers
from message_tracking.sample.hashing import fractions, mixed
from message_tracking.sample.messages import DOMAINS
from message_tracking.sample.parameters import parameter_texts
from message_tracking.sample.reactions import DEVICES, NO_COOKIES, NO_UUID, OPEN, OPEN_PIXEL

_FIELDS = [f"field_{number}" for number in range(1, 12)]


def _line(**changed: pl.Expr) -> pl.Expr:
    """The eleven fields joined, with some of them replaced."""
    return pl.concat_str([changed.get(name, pl.col(name)) for name in _FIELDS], separator="\t")


CORRUPTIONS: dict[str, pl.Expr] = {
    "missing_field": pl.concat_str([*_FIELDS[:8], "field_10", "address"], separator="\t"),
    "no_prefix": _line(field_1=pl.col("field_1").str.slice(1)),
    "date_with_zone": _line(field_2=pl.format("{}Z", "field_2")),
    "date_with_offset": _line(field_2=pl.format("{}+02:00", "field_2")),
    "date_with_space": _line(field_2=pl.col("field_2").str.replace("T", " ")),
    "signed_message_id": _line(field_3=pl.format("-{}", "field_3")),
    "delivery_id_not_hex": _line(field_4=pl.format("{}g", "field_4")),
    "hyphen_in_field_6": _line(field_6=pl.lit("0-0")),
    "uuid_in_braces": _line(field_7=pl.concat_str(pl.lit("{"), "field_7", pl.lit("}"))),
    "escape_character": _line(field_10=pl.format("{}\x1b[0m", "field_10")),
    "nul_character": _line(field_10=pl.format("{}\x00", "field_10")),
    "tab_in_user_agent": _line(field_10=pl.lit("Mozilla/5.0\t(compatible; Unknown)")),
    "host_name_for_address": _line(field_11=pl.lit("proxy.example.net")),
    "address_with_zone": _line(field_11=pl.lit("fe80::1%eth0")),
    "addresses_behind_space": _line(field_11=pl.lit("203.0.113.7 10.0.0.4")),
    "truncated": pl.concat_str(_FIELDS[:6], separator="\t"),
    "two_records_glued": pl.concat_str(_line(), _line()),
    "empty_line": pl.lit(""),
    "uuid_for_message_id": _line(field_3=pl.lit("0b5c2e1a-6a0d-4c43-9d0e-3f1f5d2a7c11")),
    # These keep the grammar and break the strict layer above it (design §6).
    "no_such_day": _line(field_2=pl.lit("2025-02-30T12:00:00")),
    "no_delivery_id": _line(field_4=pl.lit("")),
    "long_url_id": _line(field_5=pl.lit("123456789")),
    "long_uuid": _line(field_7=pl.lit("0" * 49)),
    "two_type_letters": _line(field_8=pl.lit("ht")),
    "no_such_address": _line(field_11=pl.lit("203.0.113.256")),
}
"""How a line of each corrupted kind is made of the fields of a good one, in the order the kinds are taken."""

KINDS_WITHOUT_ID = ["no_prefix", "empty_line"]
"""Corrupted lines whose log id cannot be read: their ids are gaps."""

_NOT_UTF8 = "\x1a"
"""Stands for a byte that is no UTF-8 until the lines become bytes; no line has it otherwise."""
_LATIN_AGENT = f"Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0; N{_NOT_UTF8}rnberg) like Gecko"

_LETTERS = {"sms": "s"}
"""Field 8 of deliveries whose body has neither HTML nor plain text."""

_PROXIES = {"gmail.com": (GOOGLE_PROXY, 0.85), "yahoo.com": (YAHOO_PROXY, 0.7)}
_PREFETCH_SHARE = 0.12
_BEHIND_COMMA, _IN_FIELD_12 = 5, 6
"""Serial numbers, of 32, whose address is followed by a proxy's."""


def with_marks(campaign: Campaign, events: pl.DataFrame) -> pl.DataFrame:
    """Say how each event is to be written: from which `address` and with which oddities.

    Adds the columns `address`, `is_upper_case`, `has_proxy`, `has_crlf` and `is_not_utf8`.
    """
    has = campaign.options.has
    serials, person = events["serial"].to_numpy(), _persons(events)
    # The same person writes one way or the other, event by event.
    is_upper_case = (person % 10 == 3) & (serials % 2 == 1) & (events["uuid_kind"].to_numpy() != NO_UUID)
    has_proxy = np.isin(serials % 32, [_BEHIND_COMMA, _IN_FIELD_12])
    addresses = _addresses(person, campaign.options.seed)
    return events.with_columns(
        address=addresses,
        is_upper_case=pl.Series(is_upper_case & has("uuid_cases")),
        has_proxy=pl.Series(has_proxy & has("proxy_chains")) & (addresses != ""),
        has_crlf=pl.Series((serials % 251 == 7) & has("crlf_lines")),
        is_not_utf8=pl.Series((serials % 499 == 13) & has("non_utf8_bytes")),
    )


def log_lines(campaign: Campaign, events: pl.DataFrame) -> pl.Series:
    """Write each event as its line, without line feed; `line_bytes` makes bytes of them.

    `events` has the columns of `Reactions.chunks()` and `with_marks`, and `prefix`, `counter` and `corruption` (0 for
    a good line, otherwise 1 + place in CORRUPTIONS).
    """
    person = _persons(events)
    fields = pl.DataFrame(
        {
            "field_1": pl.select(
                pl.concat_str(
                    events["prefix"], pl.lit("0x"), _hex(events["counter"].to_numpy().astype(">u8")).str.to_uppercase()
                )
            ).to_series(),
            "field_2": pl.from_epoch(events["at"] * 10, time_unit="ms")
            .dt.strftime("%Y-%m-%dT%H:%M:%S%.3f")
            .str.head(22),
            "field_3": _id_field(campaign.messages.ids[events["message"].to_numpy()]),
            "field_4": _id_field(campaign.deliveries.ids).gather(events["delivery"]),
            "field_5": _url_fields(campaign, events),
            "field_6": "0",
            "field_7": _uuids(events, person, campaign.options.seed),
            "field_8": _letters(campaign, events),
            "field_9": parameter_texts(events),
            "field_10": _user_agents(campaign, events, person),
            "address": events["address"],
            "field_11": _with_forwarding(events),
            "corruption": events["corruption"],
            "end": pl.select(pl.when(events["has_crlf"]).then(pl.lit("\r")).otherwise(pl.lit(""))).to_series(),
        }
    )
    lines = fields.select(pl.concat_str(_line(), "end")).to_series()
    corrupted = fields.with_row_index().filter(pl.col("corruption") > 0)
    for number, corruption in enumerate(CORRUPTIONS.values(), start=1):
        chosen = corrupted.filter(pl.col("corruption") == number)
        if chosen.height:
            lines = lines.scatter(chosen["index"], chosen.with_columns(line=corruption)["line"])
    return lines


def line_bytes(lines: pl.Series) -> bytes:
    """The content of a file with these lines."""
    buffer = io.BytesIO()
    lines.to_frame("line").write_csv(buffer, include_header=False, quote_style="never")
    return buffer.getvalue().replace(_NOT_UTF8.encode(), "ü".encode("latin-1"))


def _persons(events: pl.DataFrame) -> Integers:
    return np.asarray(events["recipient"].to_numpy() * DEVICES + events["device"].to_numpy())


def _hex(numbers: npt.NDArray[np.generic]) -> pl.Series:
    """Lower-case hex digits, two for each byte of the (big-endian) numbers."""
    width = numbers.dtype.itemsize
    stored = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))]
    )
    return pl.Series(stored.cast(pa.binary())).bin.encode("hex")


def _id_field(ids: Integers) -> pl.Series:
    """Ids as unsigned 32-bit hex without leading zeros (spec §2.2)."""
    digits = _hex(ids.astype(">i4")).str.strip_chars_start("0")
    return digits.replace("", "0")


def _url_fields(campaign: Campaign, events: pl.DataFrame) -> pl.Series:
    # The reserved id of the open pixel stands last, where place -1 finds it.
    texts = pl.concat([_id_field(campaign.urls.ids), pl.Series(["1"])])
    places = events["url"].to_numpy()
    return texts.gather(pl.Series(np.where(places == OPEN_PIXEL, len(texts) - 1, places)))


def _uuids(events: pl.DataFrame, person: Integers, seed: int) -> pl.Series:
    """Requester UUIDs: of the device, or of the single event."""
    # Serial numbers stay far below 2**62, so the two kinds of keys never meet.
    fresh = events["uuid_kind"].to_numpy() == NO_COOKIES
    keys = np.where(fresh, events["serial"].to_numpy() + 2**62, person)
    digits = pl.select(
        pl.concat_str(_hex(mixed(keys, seed + 20).astype(">u8")), _hex(mixed(keys, seed + 21).astype(">u8")))
    ).to_series()
    bounds = [(0, 8), (8, 4), (12, 4), (16, 4), (20, 12)]
    uuid = pl.concat_str([pl.lit(digits).str.slice(start, length) for start, length in bounds], separator="-")
    return pl.select(
        pl.when(events["uuid_kind"] == NO_UUID)
        .then(pl.lit(""))
        .when(events["is_upper_case"])
        .then(uuid.str.to_uppercase())
        .otherwise(uuid)
    ).to_series()


def _letters(campaign: Campaign, events: pl.DataFrame) -> pl.Series:
    """Field 8: the first letter of the part that was read."""
    of_delivery = pl.Series([_LETTERS.get(role, "t") for role in campaign.deliveries.roles])
    of_text = of_delivery.gather(events["delivery"])
    return pl.select(pl.when(events["is_text"]).then(of_text).otherwise(pl.lit("h"))).to_series()


def _user_agents(campaign: Campaign, events: pl.DataFrame, person: Integers) -> pl.Series:
    agents = pl.Series(USER_AGENTS).gather(pl.Series(_agents(campaign, events, person)))
    return pl.select(pl.when(events["is_not_utf8"]).then(pl.lit(_LATIN_AGENT)).otherwise(agents)).to_series()


def _agents(campaign: Campaign, events: pl.DataFrame, person: Integers) -> Integers:
    """Place of the user agent: the device's, but opens that a mail provider's proxy fetches show the proxy's."""
    seed = campaign.options.seed
    popularity = np.cumsum(1 / np.arange(3, len(READERS) + 3) ** 0.8)
    agents = np.searchsorted(popularity[:-1], fractions(person, seed + 30) * popularity[-1], side="right")
    opens = events["kind"].to_numpy() == OPEN
    domains = campaign.messages.domains[events["recipient"].to_numpy()]
    chance = fractions(person, seed + 31)
    agents = np.where(opens & (chance < _PREFETCH_SHARE), USER_AGENTS.index(APPLE_PREFETCH), agents)
    for domain, (agent, share) in _PROXIES.items():
        is_proxied = opens & (domains == DOMAINS.index(domain)) & (chance < share)
        agents = np.where(is_proxied, USER_AGENTS.index(agent), agents)
    return agents


def _addresses(person: Integers, seed: int) -> pl.Series:
    """Address of each device, from the ranges kept for tests and documentation: IPv4, for a quarter IPv6, or none."""
    bits = mixed(person, seed + 40)
    digits = _hex(bits.astype(">u8"))
    v4 = pl.format(
        "198.{}.{}.{}", *(pl.Series(part) for part in (18 + bits % 2, bits // 2 % 256, bits // 512 % 254 + 1))
    )
    v6 = pl.format("2001:db8:{}:{}::{}", *(digits.str.slice(start, 4) for start in (0, 4, 8)))
    chance = pl.Series(fractions(person, seed + 41))
    return pl.select(pl.when(chance < 0.005).then(pl.lit("")).when(chance < 0.25).then(v6).otherwise(v4)).to_series()


def _with_forwarding(events: pl.DataFrame) -> pl.Series:
    """Field 11, with a proxy chain behind a comma or in a twelfth field for a few (spec §2.2)."""
    addresses = events["address"]
    behind_comma, in_field_12 = pl.format("{}, 10.0.0.4", addresses), pl.format("{}\t10.0.0.4", addresses)
    return pl.select(
        pl.when(~events["has_proxy"])
        .then(addresses)
        .when(events["serial"] % 32 == _BEHIND_COMMA)
        .then(behind_comma)
        .otherwise(in_field_12)
    ).to_series()
