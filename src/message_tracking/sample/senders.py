"""Where the request behind an event comes from, and as what: network, address and user agent."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from message_tracking.sample.actors import IMAGE_PROXY, PERSON, PREFETCH, SCANNER
from message_tracking.sample.addresses import addresses
from message_tracking.sample.agents import (
    APPLE_PLACES,
    APPLE_PREFETCH,
    NO_AGENT_PLACE,
    READERS,
    USER_AGENTS,
)
from message_tracking.sample.deliveries import Integers
from message_tracking.sample.events import DEVICES, FORWARDED, OPEN
from message_tracking.sample.hashing import fractions, mixed
from message_tracking.sample.mailboxes import NOTHING, PROXIES, PROXY_NETWORKS, Mailboxes
from message_tracking.sample.networks import NETWORKS, RELAY
from message_tracking.sample.options import SampleOptions


def networks(mailboxes: Mailboxes, seed: int, events: pl.DataFrame) -> Integers:
    """Place in NETWORKS of where each event comes from, NOTHING where it is the reader's own device."""
    recipient, actor, device = (events[name].to_numpy() for name in ("recipient", "actor", "device"))
    gateway = mailboxes.gateway_networks[recipient]
    proxy = np.append(PROXY_NETWORKS, NOTHING)[mailboxes.proxies[recipient]]
    is_own_click = (actor == PERSON) & (events["kind"].to_numpy() != OPEN) & (device < FORWARDED)
    is_isolated = is_own_click & mailboxes.are_isolated[recipient]
    is_relayed = fractions(recipient * DEVICES + device, seed + 75) < mailboxes.options.profile.relayed_share
    is_relayed &= is_own_click & mailboxes.are_prefetched[recipient]
    return np.select(
        [actor == SCANNER, actor == IMAGE_PROXY, (actor == PREFETCH) | is_relayed, is_isolated],
        [gateway, proxy, np.full(actor.size, NETWORKS.index(RELAY)), gateway],
        NOTHING,
    )


def network_addresses(options: SampleOptions, events: pl.DataFrame) -> pa.BinaryArray:
    """The addresses of events that come from a network.

    Most scans keep theirs or change it among neighbours; whoever else comes again comes from anywhere in the network.
    """
    seed, profile = options.seed, options.profile
    serial, visit = events["serial"].to_numpy(), events["visit"].to_numpy()
    is_scan = events["actor"].to_numpy() == SCANNER
    chance = fractions(visit, seed + 77)
    is_at_one_address = is_scan & (chance < profile.one_address_share)
    is_nearby = is_scan & (chance < 1 - profile.scattered_share)
    small_network = mixed(np.where(is_nearby, visit, serial), seed + 76)
    host = mixed(np.where(is_at_one_address, visit, serial), seed + 78)
    # Shifted, for a place is not negative.
    return addresses(events["network"].to_numpy(), *((bits >> 8).astype(np.int64) for bits in (small_network, host)))


def agents(mailboxes: Mailboxes, events: pl.DataFrame, own: Integers) -> Integers:
    """Place in USER_AGENTS of what each event shows, where `own` is that of the reader's device."""
    recipient, actor, device = (events[name].to_numpy() for name in ("recipient", "actor", "device"))
    reads_with_apple = mailboxes.are_prefetched[recipient] & (device < FORWARDED)
    own = np.where(reads_with_apple, np.array(APPLE_PLACES)[own * len(APPLE_PLACES) // len(READERS)], own)
    of_proxies = [USER_AGENTS.index(proxy.agent) if proxy.agent else NOTHING for proxy in PROXIES]
    of_proxy = np.array([*of_proxies, NOTHING])[mailboxes.proxies[recipient]]
    return np.select(
        [actor == SCANNER, actor == PREFETCH, (actor == IMAGE_PROXY) & (of_proxy != NOTHING)],
        [_of_scans(mailboxes.options, events), np.full(actor.size, USER_AGENTS.index(APPLE_PREFETCH)), of_proxy],
        own,
    )


def _of_scans(options: SampleOptions, events: pl.DataFrame) -> Integers:
    seed, profile = options.seed, options.profile
    visit, serial = events["visit"].to_numpy(), events["serial"].to_numpy()
    chance = fractions(visit, seed + 79)
    is_changing = chance < profile.browser_share * profile.changing_share
    key = np.where(is_changing, serial, visit)
    return np.select(
        [chance < profile.browser_share, chance < profile.browser_share + profile.bot_share],
        [_one_of(profile.browsers, key, seed), _one_of(profile.bots, key, seed)],
        NO_AGENT_PLACE,
    )


def _one_of(agents: Sequence[str], keys: Integers, seed: int) -> Integers:
    places = [USER_AGENTS.index(agent) for agent in agents]
    return np.array(places)[(fractions(keys, seed + 80) * len(places)).astype(np.int64)]
