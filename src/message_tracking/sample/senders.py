"""Where the request behind an event comes from, and as what: network, address and user agent."""

import numpy as np
import polars as pl
import pyarrow as pa

from message_tracking.sample.actors import IMAGE_PROXY, PERSON, PREFETCH, SCANNER
from message_tracking.sample.agents import (
    APPLE_PLACES,
    APPLE_PREFETCH,
    BOT_PLACES,
    DESKTOP_PLACES,
    NO_AGENT_PLACE,
    READERS,
    USER_AGENTS,
)
from message_tracking.sample.deliveries import Integers
from message_tracking.sample.events import DEVICES, FORWARDED, OPEN
from message_tracking.sample.hashing import fractions, mixed
from message_tracking.sample.mailboxes import GATEWAY_NETWORKS, NOTHING, PROXIES, PROXY_NETWORKS, Mailboxes
from message_tracking.sample.networks import NETWORKS, RELAY, addresses

_RELAYED_SHARE = 0.25
"""Of the people whose mail app prefetches: their clicks go through the same relay."""
_ORDINARY_UP_TO, _BOT_UP_TO = 0.76, 0.88
"""Of scans: those that look like a browser, those that say what they are; the others have no user agent."""
_CHANGING_SHARE = 0.2
"""Of scans that look like a browser: they look like another one with each request."""
_ONE_ADDRESS_SHARE = 0.6
"""Of scans; the others come from several addresses of a small network."""


def networks(mailboxes: Mailboxes, seed: int, events: pl.DataFrame) -> Integers:
    """Place in NETWORKS of where each event comes from, NOTHING where it is the reader's own device."""
    recipient, actor, device = (events[name].to_numpy() for name in ("recipient", "actor", "device"))
    gateway = np.append(GATEWAY_NETWORKS, NOTHING)[mailboxes.gateways[recipient]]
    proxy = np.append(PROXY_NETWORKS, NOTHING)[mailboxes.proxies[recipient]]
    is_own_click = (actor == PERSON) & (events["kind"].to_numpy() != OPEN) & (device < FORWARDED)
    is_isolated = is_own_click & mailboxes.are_isolated[recipient]
    is_relayed = fractions(recipient * DEVICES + device, seed + 75) < _RELAYED_SHARE
    is_relayed &= is_own_click & mailboxes.are_prefetched[recipient]
    return np.select(
        [actor == SCANNER, actor == IMAGE_PROXY, (actor == PREFETCH) | is_relayed, is_isolated],
        [gateway, proxy, np.full(actor.size, NETWORKS.index(RELAY)), gateway],
        NOTHING,
    )


def network_addresses(seed: int, events: pl.DataFrame) -> pa.BinaryArray:
    """The addresses of events that come from a network.

    Scans keep theirs or change it among neighbours; whoever else comes again comes from anywhere in the network.
    """
    serial, visit = events["serial"].to_numpy(), events["visit"].to_numpy()
    is_scan = events["actor"].to_numpy() == SCANNER
    small_network = mixed(np.where(is_scan, visit, serial), seed + 76)
    is_at_one_address = is_scan & (fractions(visit, seed + 77) < _ONE_ADDRESS_SHARE)
    host = mixed(np.where(is_at_one_address, visit, serial), seed + 78)
    # Shifted, for a place is not negative.
    return addresses(events["network"].to_numpy(), *((bits >> 8).astype(np.int64) for bits in (small_network, host)))


def agents(mailboxes: Mailboxes, seed: int, events: pl.DataFrame, own: Integers) -> Integers:
    """Place in USER_AGENTS of what each event shows, where `own` is that of the reader's device."""
    recipient, actor, device = (events[name].to_numpy() for name in ("recipient", "actor", "device"))
    reads_with_apple = mailboxes.are_prefetched[recipient] & (device < FORWARDED)
    own = np.where(reads_with_apple, np.array(APPLE_PLACES)[own * len(APPLE_PLACES) // len(READERS)], own)
    of_proxies = [USER_AGENTS.index(proxy.agent) if proxy.agent else NOTHING for proxy in PROXIES]
    of_proxy = np.array([*of_proxies, NOTHING])[mailboxes.proxies[recipient]]
    return np.select(
        [actor == SCANNER, actor == PREFETCH, (actor == IMAGE_PROXY) & (of_proxy != NOTHING)],
        [_of_scans(seed, events), np.full(actor.size, USER_AGENTS.index(APPLE_PREFETCH)), of_proxy],
        own,
    )


def _of_scans(seed: int, events: pl.DataFrame) -> Integers:
    visit, serial = events["visit"].to_numpy(), events["serial"].to_numpy()
    chance = fractions(visit, seed + 79)
    is_changing = chance < _ORDINARY_UP_TO * _CHANGING_SHARE
    key = np.where(is_changing, serial, visit)
    return np.select(
        [chance < _ORDINARY_UP_TO, chance < _BOT_UP_TO],
        [_one_of(DESKTOP_PLACES, key, seed), _one_of(BOT_PLACES, key, seed)],
        NO_AGENT_PLACE,
    )


def _one_of(places: list[int], keys: Integers, seed: int) -> Integers:
    return np.array(places)[(fractions(keys, seed + 80) * len(places)).astype(np.int64)]
