"""Reactions written as log lines (spec §2.2), some of them corrupted (spec §2.4)."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from message_tracking.sample.agents import APPLE_PREFETCH, GOOGLE_PROXY, READERS, USER_AGENTS, YAHOO_PROXY
from message_tracking.sample.campaign import DOMAINS, Campaign, Integers
from message_tracking.sample.hashing import fractions, mixed
from message_tracking.sample.reactions import DEVICES, NO_COOKIES, NO_UUID, OPEN, OPEN_PIXEL

_FIELDS = [f"field_{number}" for number in range(1, 12)]


def _line(**changed: pl.Expr) -> pl.Expr:
    """The eleven fields joined, with some of them replaced."""
    return pl.concat_str([changed.get(name, pl.col(name)) for name in _FIELDS], separator="\t")


CORRUPTIONS: dict[str, pl.Expr] = {
    "missing_field": pl.concat_str([*_FIELDS[:8], "field_10", "address"], separator="\t"),
    "no_prefix": _line(field_1=pl.col("field_1").str.slice(1)),
    "date_with_zone": _line(field_2=pl.format("{}Z", "field_2")),
    "signed_message_id": _line(field_3=pl.format("-{}", "field_3")),
    "delivery_id_not_hex": _line(field_4=pl.format("{}g", "field_4")),
    "hyphen_in_field_6": _line(field_6=pl.lit("0-0")),
    "uuid_in_braces": _line(field_7=pl.concat_str(pl.lit("{"), "field_7", pl.lit("}"))),
    "control_character": _line(field_10=pl.format("{}\x1b[0m", "field_10")),
    "tab_in_user_agent": _line(field_10=pl.lit("Mozilla/5.0\t(compatible; Unknown)")),
    "host_name_for_address": _line(field_11=pl.lit("proxy.example.net")),
    "truncated": pl.concat_str(_FIELDS[:6], separator="\t"),
    "two_records_glued": pl.concat_str(_line(), _line()),
    "empty_line": pl.lit(""),
    "uuid_for_message_id": _line(field_3=pl.lit("0b5c2e1a-6a0d-4c43-9d0e-3f1f5d2a7c11")),
}
"""How a line of each corrupted kind is made of the fields of a good one, in the order the kinds are taken."""

KINDS_WITHOUT_ID = ["no_prefix", "empty_line"]
"""Corrupted lines whose log id cannot be read: their ids are gaps."""

_PROXIES = {"gmail.com": (GOOGLE_PROXY, 0.85), "yahoo.com": (YAHOO_PROXY, 0.7)}
_PREFETCH_SHARE = 0.12


def log_lines(campaign: Campaign, events: pl.DataFrame) -> pl.Series:
    """Write each event as its line, without line feed.

    `events` has the columns of `Reactions.chunks()` and `prefix`, `counter` and `corruption` (0 for a good line,
    otherwise 1 + place in CORRUPTIONS).
    """
    person = events["recipient"].to_numpy() * DEVICES + events["device"].to_numpy()
    addresses = _addresses(person, campaign.options.seed)
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
            "field_3": _id_field(campaign.message_ids[events["message"].to_numpy()]),
            "field_4": _id_field(campaign.delivery_ids).gather(events["delivery"]),
            "field_5": _url_fields(campaign, events),
            "field_6": "0",
            "field_7": _uuids(events, person, campaign.options.seed),
            "field_8": pl.select(pl.when(events["is_text"]).then(pl.lit("t")).otherwise(pl.lit("h"))).to_series(),
            "field_9": _parameters(events),
            "field_10": pl.Series(USER_AGENTS).gather(pl.Series(_agents(campaign, events, person))),
            "address": addresses,
            "field_11": _with_forwarding(addresses, events["serial"].to_numpy()),
            "corruption": events["corruption"],
        }
    )
    lines = fields.select(_line()).to_series()
    corrupted = fields.with_row_index().filter(pl.col("corruption") > 0)
    for number, corruption in enumerate(CORRUPTIONS.values(), start=1):
        chosen = corrupted.filter(pl.col("corruption") == number)
        if chosen.height:
            lines = lines.scatter(chosen["index"], chosen.with_columns(line=corruption)["line"])
    return lines


def _hex(numbers: npt.NDArray[np.generic]) -> pl.Series:
    """Lower-case hex digits, two for each byte of the (big-endian) numbers."""
    width = numbers.dtype.itemsize
    stored = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))]
    )
    return pl.Series(stored.cast(pa.binary())).bin.encode("hex")


def _id_field(ids: Integers) -> pl.Series:
    """Ids as unsigned 32-bit hex without leading zeros (spec §2.2)."""
    return _hex(ids.astype(">i4")).str.strip_chars_start("0")


def _url_fields(campaign: Campaign, events: pl.DataFrame) -> pl.Series:
    # The reserved id of the open pixel stands last, where place -1 finds it.
    texts = pl.concat([_id_field(campaign.url_ids), pl.Series(["1"])])
    places = events["url"].to_numpy()
    return texts.gather(pl.Series(np.where(places == OPEN_PIXEL, len(texts) - 1, places)))


def _uuids(events: pl.DataFrame, person: Integers, seed: int) -> pl.Series:
    """Requester UUIDs: of the device, or of the single event; a tenth of the devices write them in upper case."""
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
        .when(pl.Series(person % 10 == 3))
        .then(uuid.str.to_uppercase())
        .otherwise(uuid)
    ).to_series()


def _parameters(events: pl.DataFrame) -> pl.Series:
    """What a transaction tag adds: amount and article (spec §3.5)."""
    cents = events["cents"]
    amount = pl.format(
        "amount={}.{}&article={}", cents // 100, (cents % 100).cast(pl.String).str.zfill(2), events["articles"]
    )
    return pl.select(pl.when(cents > 0).then(amount).otherwise(pl.lit(""))).to_series()


def _agents(campaign: Campaign, events: pl.DataFrame, person: Integers) -> Integers:
    """Place of the user agent: the device's, but opens that a mail provider's proxy fetches show the proxy's."""
    seed = campaign.options.seed
    popularity = np.cumsum(1 / np.arange(3, len(READERS) + 3) ** 0.8)
    agents = np.searchsorted(popularity[:-1], fractions(person, seed + 30) * popularity[-1], side="right")
    opens = events["kind"].to_numpy() == OPEN
    domains = campaign.domains[events["recipient"].to_numpy()]
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


def _with_forwarding(addresses: pl.Series, serials: Integers) -> pl.Series:
    """Field 11, with a proxy chain behind a comma or in a twelfth field for a few (spec §2.2)."""
    form = pl.Series(serials % 32)
    behind_comma, in_field_12 = pl.format("{}, 10.0.0.4", addresses), pl.format("{}\t10.0.0.4", addresses)
    has_address = addresses != ""
    return pl.select(
        pl.when((form == 5) & has_address)
        .then(behind_comma)
        .when((form == 6) & has_address)
        .then(in_field_12)
        .otherwise(addresses)
    ).to_series()
