"""Where recipients read: at which domain, through which proxy or mail app, behind which gateway."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from message_tracking.sample.agents import GOOGLE_PROXY, YAHOO_PROXY
from message_tracking.sample.deliveries import Flags, Integers
from message_tracking.sample.hashing import fractions
from message_tracking.sample.networks import GOOGLE, NETWORKS, OUTLOOK, YAHOO, Network
from message_tracking.sample.options import SampleOptions
from message_tracking.sample.profiles import FIELD, PROFILES, Profile

_PUBLIC_DOMAINS = {
    "gmail.com": 0.38,
    "yahoo.com": 0.1,
    "outlook.com": 0.12,
    "orange.fr": 0.09,
    "hotmail.com": 0.1,
    "gmx.de": 0.06,
    "free.fr": 0.05,
    "example.net": 0.1,
}
"""Domains that anybody can have an address at, and their share."""

DOMAINS = [*_PUBLIC_DOMAINS, *(gateway.domain for gateway in FIELD.gateways)]


@dataclass(frozen=True)
class Proxy:
    """A mail provider's image proxy."""

    domains: tuple[str, ...]
    network: Network
    agent: str | None
    """None where the reader's own is passed on."""


PROXIES = [
    Proxy(("gmail.com",), GOOGLE, GOOGLE_PROXY),
    Proxy(("yahoo.com",), YAHOO, YAHOO_PROXY),
    Proxy(("outlook.com", "hotmail.com"), OUTLOOK, None),
]

NOTHING = -1
"""Stands for no gateway, no proxy, or no network but the reader's own."""


@dataclass(frozen=True)
class Mailboxes:
    """Every array has one entry for each recipient."""

    options: SampleOptions
    count: int

    @cached_property
    def domains(self) -> Integers:
        """Place in DOMAINS."""
        if not self.options.has("domains"):
            return np.zeros(self.count, dtype=np.int64)
        bounds = np.cumsum(list(_PUBLIC_DOMAINS.values()))
        drawn = np.searchsorted(bounds[:-1], self._drawn(3), side="right")
        return np.asarray(np.where(self.gateways >= 0, len(_PUBLIC_DOMAINS) + self.gateways, drawn))

    @cached_property
    def gateways(self) -> Integers:
        """Place in the profile's gateways, or NOTHING."""
        if not (self.options.has("scanners") or self.options.has("isolation_browsers")):
            return np.full(self.count, NOTHING)
        drawn, share = self._drawn(71), self._profile.gateway_share
        place = (drawn / share * len(self._profile.gateways)).astype(np.int64)
        return np.where(drawn < share, place, NOTHING)

    @cached_property
    def gateway_networks(self) -> Integers:
        """Place in NETWORKS of the gateway's network, or NOTHING."""
        networks = [NETWORKS.index(gateway.network) for gateway in self._profile.gateways]
        return np.array([*networks, NOTHING])[self.gateways]

    @cached_property
    def are_isolated(self) -> Flags:
        """Who clicks through a browser in the gateway's network."""
        isolates = np.array([*(gateway.isolates for gateway in self._profile.gateways), False])[self.gateways]
        drawn = self._drawn(72) < self._profile.isolated_share
        return np.asarray(isolates & drawn & self.options.has("isolation_browsers"))

    @cached_property
    def are_prefetched(self) -> Flags:
        """Whose mail app opens every message."""
        return np.asarray((self._drawn(73) < self._profile.prefetched_share) & self.options.has("prefetches"))

    @cached_property
    def proxies(self) -> Integers:
        """Place in PROXIES, or NOTHING."""
        places = np.full(len(DOMAINS), NOTHING)
        for place, proxy in enumerate(PROXIES):
            places[[DOMAINS.index(domain) for domain in proxy.domains]] = place
        is_proxied = (self._drawn(74) < self._profile.proxied_share) & ~self.are_prefetched & (self.gateways < 0)
        is_proxied &= self.options.has("image_proxies")
        return np.where(is_proxied, places[self.domains], NOTHING)

    @property
    def _profile(self) -> Profile:
        return self.options.profile

    def _drawn(self, salt: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return fractions(np.arange(self.count), self.options.seed + salt)


GATEWAY_NETWORKS = [
    place
    for place, network in enumerate(NETWORKS)
    if network in {gateway.network for profile in PROFILES.values() for gateway in profile.gateways}
]
"""Places in NETWORKS of the gateways of all profiles."""
PROXY_NETWORKS = np.array([NETWORKS.index(proxy.network) for proxy in PROXIES])
