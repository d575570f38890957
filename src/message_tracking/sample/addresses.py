"""Addresses of the networks that machines act from."""

from functools import cache
from ipaddress import ip_network

import numpy as np
import pyarrow as pa

from message_tracking.sample.deliveries import Integers
from message_tracking.sample.hashing import mixed
from message_tracking.sample.networks import NETWORKS
from message_tracking.sample.texts import picked, table

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
