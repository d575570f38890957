"""Networks that machines act from, and addresses of them."""

from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network

import numpy as np
import pyarrow as pa

from message_tracking.sample.deliveries import Integers
from message_tracking.sample.hashing import mixed
from message_tracking.sample.texts import picked, table


@dataclass(frozen=True)
class Network:
    """Ranges of addresses that one operator sends requests from."""

    name: str
    ranges: tuple[str, ...]


GOOGLE = Network("google", ("66.249.80.0/20", "74.125.208.0/21", "66.102.0.0/20"))
YAHOO = Network("yahoo", ("69.147.64.0/19", "98.137.32.0/19", "87.248.112.0/21"))
OUTLOOK = Network("outlook", ("40.96.0.0/13", "52.96.0.0/14"))
RELAY = Network(
    "relay",
    ("104.28.32.0/20", "172.224.224.0/19", "172.225.0.0/18", "146.75.128.0/18", "2a02:26f7::/40", "2a09:bac2::/40"),
)
"""Where Apple's Private Relay and Mail Privacy Protection leave its network."""

PROOFPOINT = Network("proofpoint", ("67.231.144.0/20", "148.163.128.0/19", "205.220.160.0/20"))
MIMECAST = Network("mimecast", ("205.139.110.0/24", "207.211.30.0/24", "216.205.24.0/24", "91.220.42.0/24"))
BARRACUDA = Network("barracuda", ("64.235.144.0/20", "209.222.80.0/21"))
MICROSOFT = Network("microsoft", ("40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17"))
# What is rented from a cloud is on nobody's list of gateways.
AMAZON = Network("amazon", ("18.184.0.0/15", "52.28.0.0/16"))
GOOGLE_CLOUD = Network("google_cloud", ("34.89.0.0/16", "35.198.64.0/18"))
DROPLETS = Network("droplets", ("159.89.0.0/19", "167.172.160.0/20"))

NETWORKS = [
    GOOGLE,
    YAHOO,
    OUTLOOK,
    RELAY,
    PROOFPOINT,
    MIMECAST,
    BARRACUDA,
    MICROSOFT,
    AMAZON,
    GOOGLE_CLOUD,
    DROPLETS,
]

NEIGHBOURS = 16
"""Addresses that follow on each other: a small network."""
_SMALL_NETWORKS = 256
"""As many of each network are in use."""


def addresses(networks: Integers, small_networks: Integers, hosts: Integers) -> pa.BinaryArray:
    """An address of each network (a place in NETWORKS): equal numbers are neighbours, equal hosts the same address."""
    small_network = networks * _SMALL_NETWORKS + small_networks % _SMALL_NETWORKS
    return picked(_texts(), small_network * NEIGHBOURS + hosts % NEIGHBOURS)


@cache
def _texts() -> pa.BinaryArray:
    texts = []
    for network in NETWORKS:
        ranges = [ip_network(one) for one in network.ranges]
        for number, bits in enumerate(mixed(np.arange(_SMALL_NETWORKS), 70).tolist()):
            chosen = ranges[number % len(ranges)]
            # The first and the last small network are left out: some of their addresses are no hosts.
            first = NEIGHBOURS * (1 + bits % (chosen.num_addresses // NEIGHBOURS - 2))
            texts += [str(chosen[first + host]) for host in range(NEIGHBOURS)]
    return table(texts)
