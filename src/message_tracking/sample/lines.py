"""Reactions written as log lines (spec §2.2), some of them corrupted (spec §2.4)."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from message_tracking.sample import senders
from message_tracking.sample.agents import APPLE_PREFETCH, GOOGLE_PROXY, READERS, USER_AGENTS, YAHOO_PROXY
from message_tracking.sample.campaign import Campaign
from message_tracking.sample.deliveries import Flags, Integers
from message_tracking.sample.events import DEVICES, NO_COOKIES, NO_UUID, OPEN, OPEN_PIXEL
from message_tracking.sample.hashing import fractions, mixed
from message_tracking.sample.mailboxes import DOMAINS, NOTHING
from message_tracking.sample.parameters import NONE, parameter_texts
from message_tracking.sample.texts import (
    content,
    hex_digits,
    joined,
    laid_out,
    looked_up,
    of_rows,
    of_series,
    picked,
    spread,
    table,
    without_leading_zeros,
)

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

_OPEN_PIXEL_ID = 1
"""The reserved URL id of opens (spec §1.4)."""

_NOT_UTF8 = "\x1a"
"""Stands for a byte that is no UTF-8 until the lines become bytes; no line has it otherwise."""
_LATIN_AGENT = f"Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0; N{_NOT_UTF8}rnberg) like Gecko"

_LETTERS = {"sms": "s"}
"""Field 8 of deliveries whose body has neither HTML nor plain text."""

_PROXIES = {"gmail.com": (GOOGLE_PROXY, 0.85), "yahoo.com": (YAHOO_PROXY, 0.7)}
_PREFETCH_SHARE = 0.12
_BEHIND_COMMA, _IN_FIELD_12 = 5, 6
"""Serial numbers, of 32, whose address is followed by a proxy's."""
_NO_ADDRESS_SHARE, _V6_UP_TO = 0.005, 0.25

_TICKS_A_DAY = 8_640_000
_UUID_BOUNDS = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]
"""Digits between the hyphens of a UUID."""


@dataclass(frozen=True)
class FieldTexts:
    """Fields that have few different texts, as tables to pick from.

    Each table holds the tabs around its field, too: the fewer columns a line has, the faster they are joined.
    """

    campaign: Campaign

    @cached_property
    def deliveries(self) -> pa.BinaryArray:
        """Field 4 by delivery, between its tabs."""
        return table([f"\t{_id_text(one)}\t" for one in self.campaign.deliveries.ids.tolist()])

    @cached_property
    def urls(self) -> pa.BinaryArray:
        """Fields 5 and 6 by URL, each with its tab; those of the open pixel stand last."""
        return table([f"{_id_text(one)}\t0\t" for one in [*self.campaign.urls.ids.tolist(), _OPEN_PIXEL_ID]])

    @cached_property
    def letters(self) -> pa.BinaryArray:
        """Field 8, between its tabs: what HTML has, then what the text of each delivery has."""
        letters = [_LETTERS.get(role, "t") for role in self.campaign.deliveries.roles]
        return table([f"\t{letter}\t" for letter in ["h", *letters]])


def with_marks(campaign: Campaign, events: pl.DataFrame) -> pl.DataFrame:
    """Say with which oddities each event is to be written.

    Adds the columns `is_upper_case`, `has_proxy`, `has_crlf` and `is_not_utf8`; where people and machines are told
    apart, also `network` (place in NETWORKS, NOTHING where the reader's own device is at work).
    """
    has = campaign.options.has
    if campaign.options.has_actors:
        networks = senders.networks(campaign.messages.mailboxes, campaign.options.seed, events)
        events = events.with_columns(network=pl.Series(networks))
    is_own = _are_own(events)
    serials, person = events["serial"].to_numpy(), _persons(events)
    # The same person writes one way or the other, event by event.
    is_upper_case = (person % 10 == 3) & (serials % 2 == 1) & (events["uuid_kind"].to_numpy() != NO_UUID)
    has_proxy = np.isin(serials % 32, [_BEHIND_COMMA, _IN_FIELD_12])
    has_address = is_own & (_address_chances(person, campaign.options.seed) >= _NO_ADDRESS_SHARE)
    return events.with_columns(
        is_upper_case=pl.Series(is_upper_case & has("uuid_cases")),
        has_proxy=pl.Series(has_proxy & has_address & has("proxy_chains")),
        has_crlf=pl.Series((serials % 251 == 7) & has("crlf_lines")),
        is_not_utf8=pl.Series((serials % 499 == 13) & is_own & has("non_utf8_bytes")),
    )


def log_lines(texts: FieldTexts, prefix: str, events: pl.DataFrame) -> pa.BinaryArray:
    """Write each event of a server as its line, with line feed; `line_bytes` makes the content of a file of them.

    `events` has the columns of `Reactions.chunks()` and `with_marks`, and `counter` and `corruption` (0 for a good
    line, otherwise 1 + place in CORRUPTIONS).
    """
    campaign, person = texts.campaign, _persons(events)
    url, delivery = events["url"].to_numpy(), events["delivery"].to_numpy()
    lines = joined(
        _ids_and_times(prefix, events),
        _message_ids(campaign, events),
        picked(texts.deliveries, delivery),
        picked(texts.urls, np.where(url == OPEN_PIXEL, len(texts.urls) - 1, url)),
        _uuids(events, person, campaign.options.seed),
        picked(texts.letters, np.where(events["is_text"].to_numpy(), 1 + delivery, 0)),
        _parameters(events),
        _user_agents(campaign, events, person),
        *_addresses(campaign, events, person),
        _ends(events),
    )
    return _corrupted(lines, events["corruption"])


def line_bytes(lines: pa.ChunkedArray) -> bytes:
    """The content of a file with these lines."""
    return content(lines).replace(_NOT_UTF8.encode(), "ü".encode("latin-1"))


def _corrupted(lines: pa.BinaryArray, corruption: pl.Series) -> pa.BinaryArray:
    """Replace the lines that are to be corrupted."""
    is_corrupted = corruption > 0
    if not is_corrupted.any():
        return lines
    good = pl.Series(lines.filter(is_corrupted.to_arrow()).cast(pa.string()))
    fields = (
        good.str.strip_suffix("\n")
        .str.strip_suffix("\r")
        .str.splitn("\t", len(_FIELDS))
        .struct.rename_fields(_FIELDS)
        .struct.unnest()
        .with_columns(pl.col("field_11").str.extract(r"^([^,\t]*)").alias("address"))
    )
    kinds = corruption.filter(is_corrupted)
    corrupted = pl.Series(["\n"]).new_from_index(0, kinds.len())
    for number, kind in enumerate(CORRUPTIONS.values(), start=1):
        places = (kinds == number).arg_true()
        if places.len():
            written = fields[places].select(pl.concat_str(kind, pl.lit("\n"))).to_series()
            corrupted = corrupted.scatter(places, written)
    return pc.replace_with_mask(lines, is_corrupted.to_arrow(), of_series(corrupted))


def _persons(events: pl.DataFrame) -> Integers:
    return np.asarray(events["recipient"].to_numpy() * DEVICES + events["device"].to_numpy())


def _id_text(number: int) -> str:
    """An id as unsigned 32-bit hex without leading zeros (spec §2.2)."""
    return f"{number % 2**32:x}"


def _ids_and_times(prefix: str, events: pl.DataFrame) -> pa.BinaryArray:
    """Fields 1 and 2 and the tabs behind them."""
    days, ticks = np.divmod(events["at"].to_numpy(), _TICKS_A_DAY)
    seconds, hundredths = np.divmod(ticks, 100)
    return of_rows(
        laid_out(
            f"{prefix}0x................\tYYYY-MM-DDTHH:MM:SS.hh\t",
            events.height,
            {
                3: hex_digits(events["counter"].to_numpy(), upper=True),
                20: looked_up(_days(), days),
                31: looked_up(_times(), seconds),
                40: looked_up(_two_digits(), hundredths),
            },
        )
    )


@cache
def _days() -> npt.NDArray[np.bytes_]:
    """Every day from 1970 to 2149."""
    return np.arange(2**16).astype("M8[D]").astype("S10")


@cache
def _times() -> npt.NDArray[np.bytes_]:
    """Every second of a day."""
    return np.arange(86_400).astype("M8[s]").astype("S19").view("S1").reshape(-1, 19)[:, 11:].copy().view("S8").ravel()


@cache
def _two_digits() -> npt.NDArray[np.bytes_]:
    return np.array([f"{number:02d}" for number in range(100)], dtype="S2")


def _message_ids(campaign: Campaign, events: pl.DataFrame) -> pa.BinaryArray:
    ids = campaign.messages.ids[events["message"].to_numpy()].astype(np.uint32)
    digit_counts = 1 + np.searchsorted(16 ** np.arange(1, 8, dtype=np.uint32), ids, side="right")
    return without_leading_zeros(hex_digits(ids), digit_counts)


def _uuids(events: pl.DataFrame, person: Integers, seed: int) -> pa.BinaryArray:
    """Requester UUIDs: of the device, or of the single event."""
    kinds = events["uuid_kind"].to_numpy()
    has_uuid = kinds != NO_UUID
    # Serial numbers stay far below 2**62, so the two kinds of keys never meet.
    keys = np.where(kinds == NO_COOKIES, events["serial"].to_numpy() + 2**62, person)[has_uuid]
    digits = np.hstack([hex_digits(mixed(keys, seed + salt)) for salt in (20, 21)])
    parts = {start + hyphens: digits[:, start:end] for hyphens, (start, end) in enumerate(_UUID_BOUNDS)}
    texts = laid_out("........-....-....-....-............", keys.size, parts)
    is_upper_case = events["is_upper_case"].to_numpy()[has_uuid]
    texts[is_upper_case] = np.char.upper(texts[is_upper_case].view("S36")).view(np.uint8)
    return spread(of_rows(texts), has_uuid)


def _parameters(events: pl.DataFrame) -> pa.BinaryArray:
    """Field 9, which few events have."""
    has_parameters = (events["parameters"] != NONE).to_numpy()
    return spread(of_series(parameter_texts(events.filter(pl.Series(has_parameters)))), has_parameters)


def _user_agents(campaign: Campaign, events: pl.DataFrame, person: Integers) -> pa.BinaryArray:
    """Field 10, between its tabs."""
    agents = np.where(events["is_not_utf8"].to_numpy(), len(USER_AGENTS), _agents(campaign, events, person))
    return picked(_agent_texts(), agents)


@cache
def _agent_texts() -> pa.BinaryArray:
    return table([f"\t{agent}\t" for agent in [*USER_AGENTS, _LATIN_AGENT]])


def _agents(campaign: Campaign, events: pl.DataFrame, person: Integers) -> Integers:
    """Place of the user agent: the device's, or that of whoever acts instead of the reader."""
    seed = campaign.options.seed
    popularity = np.cumsum(1 / np.arange(3, len(READERS) + 3) ** 0.8)
    agents = np.searchsorted(popularity[:-1], fractions(person, seed + 30) * popularity[-1], side="right")
    if campaign.options.has_actors:
        return senders.agents(campaign.messages.mailboxes, events, agents)
    # Where nobody is told apart, opens show the agents of proxies as if they were people's.
    opens = events["kind"].to_numpy() == OPEN
    domains = campaign.messages.mailboxes.domains[events["recipient"].to_numpy()]
    chance = fractions(person, seed + 31)
    agents = np.where(opens & (chance < _PREFETCH_SHARE), USER_AGENTS.index(APPLE_PREFETCH), agents)
    for domain, (agent, share) in _PROXIES.items():
        is_proxied = opens & (domains == DOMAINS.index(domain)) & (chance < share)
        agents = np.where(is_proxied, USER_AGENTS.index(agent), agents)
    return agents


def _address_chances(person: Integers, seed: int) -> npt.NDArray[np.float64]:
    """Decides which kind of address each device has."""
    return fractions(person, seed + 41)


def _are_own(events: pl.DataFrame) -> Flags:
    """Which events come from the reader's own device."""
    if "network" not in events.columns:
        return np.ones(events.height, dtype=np.bool_)
    return np.asarray(events["network"].to_numpy() == NOTHING)


def _addresses(campaign: Campaign, events: pl.DataFrame, person: Integers) -> list[pa.BinaryArray]:
    """Address of each device, from the ranges kept for tests and documentation: IPv4, for a quarter IPv6, or none.

    Those of networks are their own. One column for each form, of which at most one holds a text.
    """
    seed, is_own = campaign.options.seed, _are_own(events)
    bits, chance = mixed(person, seed + 40), _address_chances(person, seed)
    is_v4 = is_own & (chance >= _V6_UP_TO)
    is_v6 = is_own & (chance >= _NO_ADDRESS_SHARE) & (chance < _V6_UP_TO)
    digits = hex_digits(bits[is_v6])
    v6 = laid_out("2001:db8:....:....::....", len(digits), {9: digits[:, :4], 14: digits[:, 4:8], 20: digits[:, 8:12]})
    v4 = bits[is_v4]
    places = (v4 % 2 * 256 + v4 // 2 % 256) * 254 + v4 // 512 % 254
    columns = [spread(picked(_v4_texts(), places.astype(np.int64)), is_v4), spread(of_rows(v6), is_v6)]
    if not is_own.all():
        others = senders.network_addresses(campaign.options, events.filter(pl.Series(~is_own)))
        columns.append(spread(others, ~is_own))
    return columns


@cache
def _v4_texts() -> pa.BinaryArray:
    """198.18.0.1 to 198.19.255.254, without the ends of the networks of 256."""
    networks = table([f"198.{18 + one // 256}.{one % 256}." for one in range(512)])
    hosts = table([str(one) for one in range(1, 255)])
    network, host = np.divmod(np.arange(512 * 254), 254)
    return joined(picked(networks, network), picked(hosts, host))


def _ends(events: pl.DataFrame) -> pa.BinaryArray:
    """What follows the address: a proxy behind a comma or in a twelfth field for a few (spec §2.2), the line's end."""
    forwarding = np.where(events["serial"].to_numpy() % 32 == _BEHIND_COMMA, 1, 2) * events["has_proxy"].to_numpy()
    return picked(_end_texts(), 2 * forwarding + events["has_crlf"].to_numpy())


@cache
def _end_texts() -> pa.BinaryArray:
    return table([proxy + end for proxy in ("", ", 10.0.0.4", "\t10.0.0.4") for end in ("\n", "\r\n")])
