"""Who caused an event, by the rules of docs/actors.md."""

import ipaddress
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import NamedTuple

from crawleruseragents import CRAWLER_PATTERNS
from tests.oracle.rules import Rules

# The order in which a reason names them.
REASONS = (
    "crawler_agent",
    "image_proxy_agent",
    "prefetch_agent",
    "no_agent",
    "machine_network",
    "image_proxy_network",
    "soon_after_delivery",
    "link_pair",
    "link_burst",
    "link_sweep",
    "opt_out_in_burst",
    "lure_link",
    "beside_scan",
)


class Observed(NamedTuple):
    """What is judged of one event; `url_category` is '' where the URL is unknown."""

    event_id: str
    occurred_at: datetime
    delivery_id: int
    message_id: int
    url_id: int
    url_category: str
    event_type: str
    seconds_since_sent: Decimal | None
    user_agent: str
    client_ip: str

    @property
    def is_open(self) -> bool:
        return self.event_type == "open"


class Actor(NamedTuple):
    """The class of who caused an event, and the rules that spoke of it."""

    actor_class: str
    reasons: set[str]


def actors(events: Sequence[Observed], rules: Rules) -> list[Actor]:
    """Return who caused each event, given in the order of time, source, prefix and counter."""
    spoken = [_reasons_of_one(event, rules) for event in events]
    for burst in _bursts(events, rules):
        reasons = _reasons_of_burst([events[place] for place in burst], rules)
        for place in burst:
            spoken[place] |= reasons
    for place in _beside_scans(events, spoken, rules) if rules.beside_is_looked_for else ():
        spoken[place].add("beside_scan")
    return [Actor(_class(event, reasons, rules), reasons) for event, reasons in zip(events, spoken, strict=True)]


def _reasons_of_one(event: Observed, rules: Rules) -> set[str]:
    reasons = set(_reasons_of_agent(event.user_agent, rules))
    address = _address(event.client_ip, rules.address_place)
    if event.is_open:
        if _is_in(address, rules.image_proxy_networks):
            reasons.add("image_proxy_network")
        return reasons
    if _is_in(address, rules.machine_networks):
        reasons.add("machine_network")
    if event.seconds_since_sent is not None and event.seconds_since_sent * 1_000_000 < rules.soon_microseconds:
        reasons.add("soon_after_delivery")
    category = event.url_category.lower() if rules.lures_in_any_case else event.url_category
    if category == rules.lure_category:
        reasons.add("lure_link")
    return reasons


def _reasons_of_agent(user_agent: str, rules: Rules) -> Iterator[str]:
    if not user_agent:
        yield "no_agent"
    flags = re.IGNORECASE if rules.agents_in_any_case else re.NOFLAG
    named = [
        reason for pattern, reason in rules.machine_agents.items() if re.fullmatch(_like(pattern), user_agent, flags)
    ]
    yield from named
    if not (named and rules.named_machines_are_no_crawlers) and _is_crawler(user_agent, rules.crawlers_in_any_case):
        yield "crawler_agent"


@cache
def _like(pattern: str) -> str:
    return ".*".join(re.escape(part) for part in pattern.split("%"))


@cache
def _is_crawler(user_agent: str, in_any_case: bool) -> bool:
    patterns = CRAWLER_PATTERNS.case_insensitive if in_any_case else CRAWLER_PATTERNS.case_sensitive
    return patterns.search(user_agent) is not None


@cache
def _address(client_ip: str, place: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return one of the logged addresses, None where it is none."""
    try:
        return ipaddress.ip_address(client_ip.split(",")[place].strip())
    except ValueError:
        return None


@cache
def _is_in(address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, networks: str) -> bool:
    return address is not None and any(address in ipaddress.ip_network(network) for network in networks.split())


def _network(event: Observed, rules: Rules) -> object:
    """Return what all requesters of a network have in common, None where there is no address."""
    address = _address(event.client_ip, rules.address_place)
    if address is None:
        return None if rules.no_address_is_no_network else "none"
    return (address.version, int(address) >> address.max_prefixlen - rules.network_bits[address.version])


def _bursts(events: Sequence[Observed], rules: Rules) -> Iterator[list[int]]:
    """Yield the places of the links of each burst, lone links too."""
    runs = defaultdict(list)
    for place, event in enumerate(events):
        network = _network(event, rules)
        if event.event_type not in rules.link_types or network is None or _is_nobody(event, rules):
            continue
        key = (
            rules.burst_is_per_delivery and event.delivery_id,
            rules.burst_is_per_message and event.message_id,
            rules.burst_is_per_network and network,
        )
        runs[key].append(place)
    for run in runs.values():
        yield from _cut_at_gaps(run, events, rules)


def _cut_at_gaps(run: Iterable[int], events: Sequence[Observed], rules: Rules) -> Iterator[list[int]]:
    gap = timedelta(microseconds=rules.burst_gap_microseconds)
    burst: list[int] = []
    for place in run:
        if burst:
            before = burst[-1 if rules.burst_runs_from_link_to_link else 0]
            if events[place].occurred_at - events[before].occurred_at > gap:
                yield burst
                burst = []
        burst.append(place)
    yield burst


def _reasons_of_burst(burst: Sequence[Observed], rules: Rules) -> set[str]:
    count = len({event.url_id for event in burst}) if rules.burst_counts_distinct_links else len(burst)
    reached = [least for least in rules.burst_rules if least <= count]
    reasons = {rules.burst_rules[max(reached)]} if reached else set()
    if count >= rules.links_of_opt_out_in_burst and any(event.event_type == "opt_out" for event in burst):
        reasons.add("opt_out_in_burst")
    return reasons


def _beside_scans(events: Sequence[Observed], spoken: Sequence[set[str]], rules: Rules) -> set[int]:
    """Return the places of the events that are no scan but that a scan of message and network makes a scanner's."""
    groups = defaultdict(list)
    for place, event in enumerate(events):
        network = _network(event, rules)
        if network is not None and not _is_nobody(event, rules):
            message = rules.beside_is_per_message and (event.delivery_id, event.message_id)
            groups[message, rules.beside_is_per_network and network].append(place)
    beside: set[int] = set()
    for group in groups.values():
        scans = {place for place in group if _is_scan(events[place], spoken[place], rules)}
        found = _beside(group, scans, events, rules)
        if rules.beside_is_contagious:
            found |= _beside(group, found, events, rules)
        beside |= found if rules.scans_are_beside_scans else found - scans
    return beside


def _is_scan(event: Observed, reasons: set[str], rules: Rules) -> bool:
    return _weight(event, reasons, rules) >= rules.scanner_weight or (
        rules.prefetches_are_scans and _class(event, reasons, rules) == "prefetch"
    )


def _beside(group: Iterable[int], scans: Iterable[int], events: Sequence[Observed], rules: Rules) -> set[int]:
    distance = timedelta(microseconds=rules.beside_microseconds)
    return {
        place
        for place in group
        if any(
            abs(events[place].occurred_at - events[scan].occurred_at) <= distance
            and (scan < place or rules.beside_before_and_after)
            and scan != place
            for scan in scans
        )
    }


def _is_nobody(event: Observed, rules: Rules) -> bool:
    return event.message_id == 0 and rules.message_0_is_no_message


def _weight(event: Observed, reasons: Iterable[str], rules: Rules) -> int:
    weights = rules.open_weights if event.is_open else rules.click_weights
    return sum(weights.get(reason, 0) for reason in reasons)


def _class(event: Observed, reasons: set[str], rules: Rules) -> str:
    weight = _weight(event, reasons, rules)
    speaks_for = {
        "scanner": weight >= rules.scanner_weight,
        "prefetch": event.is_open and "prefetch_agent" in reasons,
        "image_proxy": event.is_open and not reasons.isdisjoint({"image_proxy_agent", "image_proxy_network"}),
        "unknown": weight >= rules.unknown_weight,
    }
    return next((actor_class for actor_class in rules.order_of_classes if speaks_for[actor_class]), "person")
