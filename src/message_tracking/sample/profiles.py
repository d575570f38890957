"""How machines, and the people who are hard to tell from them, behave: named sets of numbers to draw from."""

from dataclasses import dataclass

from message_tracking.errors import ConfigurationError
from message_tracking.sample.agents import BOTS, DESKTOP_BROWSERS, OTHER_BOTS, OTHER_BROWSERS
from message_tracking.sample.networks import (
    AMAZON,
    AZURE,
    BARRACUDA,
    CISCO,
    COGENT,
    DROPLETS,
    GOOGLE_CLOUD,
    MICROSOFT,
    MIMECAST,
    PROOFPOINT,
    TREND_MICRO,
    VIRGINIA,
    Network,
)

Range = tuple[float, float]


@dataclass(frozen=True)
class Gateway:
    """What a company lets its mail be looked at by."""

    domain: str
    network: Network
    isolates: bool = False
    """Whether people there click through a browser that runs in this network."""


@dataclass(frozen=True)
class Profile:
    """Shares are of 1, times in seconds.

    The last send is 55 hours before a sample's end, and nothing may come later: a slow scan and another one of the same
    message at most 40 hours after it, or a prefetch.
    """

    gateways: tuple[Gateway, ...]
    """Of equal numbers of mailboxes; each profile has the same domains in the same order."""
    gateway_share: float
    isolated_share: float
    """Of the people behind a gateway that isolates."""
    prefetched_share: float
    """Of the mailboxes: a mail app opens whatever comes."""
    proxied_share: float
    """Of the people at providers with an image proxy that no mail app prefetches for; the others' mail app fetches
    pictures itself."""
    relayed_share: float
    """Of the people whose mail app prefetches: their clicks go through the same relay."""

    prefetch_delay: float
    """Median from the send."""
    prefetch_spread: float
    """Sigma of the logarithm."""
    prefetch_range: Range

    scanned_share: float
    """Of the messages to mailboxes behind a gateway."""
    scan_delay: float
    scan_spread: float
    hurried_share: float
    hurried_range: Range
    slow_share: float
    slow_range: Range
    opening_share: float
    """Of the scans of HTML."""
    lead_range: Range
    """From the pixel to the first link."""
    all_links_share: float
    few_links_share: float
    """Of scans: those that follow every link, and those that follow few; the others follow three or more."""
    most_few_links: int
    in_body_order_share: float
    """Of scans; the others take the links in random order."""
    pace: float
    """Median from one link to the next."""
    pace_spread: float
    """Sigma of the logarithm of a scan's pace."""
    step_spread: float
    """Sigma of the logarithm of a step of one scan."""
    step_range: Range
    scanned_again_share: float
    """Of scans: the same message once more, at any time of the next days."""
    scanned_at_click_share: float
    """Of scans: another one when somebody clicks."""

    cookie_share: float
    """Of scans: those that send the cookie back that they got."""
    browser_share: float
    bot_share: float
    """Of scans: those that look like a browser, those that say what they are; the others have no user agent."""
    changing_share: float
    """Of scans that look like a browser: they look like another one with each request."""
    browsers: tuple[str, ...]
    bots: tuple[str, ...]
    one_address_share: float
    scattered_share: float
    """Of scans: those from one address, and those from anywhere in the network; the others come from neighbours."""

    quick_share: float
    """Of the messages that no gateway scans: a person clicks at once."""
    quick_range: Range
    fast_readers: tuple[tuple[int, ...], ...]
    """People who click fast: how many links after their first one each further one is that they click."""


FIELD = Profile(
    gateways=(
        Gateway("mill.example", PROOFPOINT, isolates=True),
        Gateway("bank.example", PROOFPOINT, isolates=True),
        Gateway("clinic.example", MIMECAST, isolates=True),
        Gateway("school.example", BARRACUDA),
        Gateway("port.example", MICROSOFT),
        Gateway("town.example", MICROSOFT),
        Gateway("studio.example", AMAZON),
        Gateway("lawyers.example", GOOGLE_CLOUD),
        Gateway("bakery.example", DROPLETS),
    ),
    gateway_share=0.065,
    isolated_share=0.6,
    prefetched_share=0.19,
    proxied_share=0.34,
    relayed_share=0.25,
    prefetch_delay=40 * 60,
    prefetch_spread=1.3,
    prefetch_range=(2 * 60, 36 * 3_600),
    scanned_share=0.93,
    scan_delay=40,
    scan_spread=0.38,
    hurried_share=0.005,
    hurried_range=(3, 20),
    slow_share=0.14,
    slow_range=(60, 6 * 3_600),
    opening_share=0.65,
    lead_range=(0.2, 3),
    all_links_share=0.34,
    few_links_share=0.16,
    most_few_links=2,
    in_body_order_share=0.7,
    pace=0.6,
    pace_spread=0.8,
    step_spread=0.7,
    step_range=(0.03, 9),
    scanned_again_share=0,
    scanned_at_click_share=0.07,
    cookie_share=0.3,
    browser_share=0.76,
    bot_share=0.12,
    changing_share=0.2,
    browsers=tuple(DESKTOP_BROWSERS),
    bots=tuple(BOTS),
    one_address_share=0.6,
    scattered_share=0,
    quick_share=0.004,
    quick_range=(2, 16),
    fast_readers=((1,),) * 9 + ((1, 2),),
)
"""As many reports from the field have it."""

SECOND = Profile(
    gateways=(
        Gateway("mill.example", CISCO, isolates=True),
        Gateway("bank.example", VIRGINIA, isolates=True),
        Gateway("clinic.example", TREND_MICRO),
        Gateway("school.example", VIRGINIA),
        Gateway("port.example", AZURE),
        Gateway("town.example", MICROSOFT),
        Gateway("studio.example", AZURE),
        Gateway("lawyers.example", COGENT),
        Gateway("bakery.example", MIMECAST),
    ),
    gateway_share=0.09,
    isolated_share=0.4,
    prefetched_share=0.28,
    proxied_share=0.5,
    relayed_share=0.12,
    prefetch_delay=150 * 60,
    prefetch_spread=1.5,
    prefetch_range=(30, 48 * 3_600),
    scanned_share=0.8,
    scan_delay=70,
    scan_spread=0.8,
    hurried_share=0.06,
    hurried_range=(1, 10),
    slow_share=0.08,
    slow_range=(5 * 60, 12 * 3_600),
    opening_share=0.5,
    lead_range=(1, 65),
    all_links_share=0.45,
    few_links_share=0.3,
    most_few_links=1,
    in_body_order_share=0.4,
    pace=0.2,
    pace_spread=1.5,
    step_spread=0.9,
    step_range=(0.01, 30),
    scanned_again_share=0.12,
    scanned_at_click_share=0.1,
    cookie_share=0.1,
    browser_share=0.7,
    bot_share=0.1,
    changing_share=0.35,
    browsers=(*OTHER_BROWSERS, *DESKTOP_BROWSERS[-5:]),
    bots=tuple(OTHER_BOTS),
    one_address_share=0.4,
    scattered_share=0.3,
    quick_share=0.006,
    quick_range=(3, 25),
    fast_readers=((1,),) * 5 + ((2,),) * 3 + ((1, 2),) * 2,
)
"""As other reports have it: sweeps within milliseconds or of a single link, minutes after the send (MillionSend#22,
django-anymail#200), a pixel half a minute before and the same links again (craft-campaign#546), old and changing
browsers (gophish#2446, #2225), changing addresses (mautic#9798), prefetches when phones charge (campaigngenius.io).

Guesses: networks of most gateways, order of links, cookies, isolation, people, and shares that no report counts.
None was drawn with the rules that judge in mind.
"""

PROFILES = {"field": FIELD, "second": SECOND}
DEFAULT_PROFILE = "field"


def check_profile(name: str) -> None:
    """Raise ConfigurationError where a name is no profile's."""
    if name not in PROFILES:
        raise ConfigurationError(
            f"--actors-profile {name}: there is no such profile.", f"Choose {' or '.join(PROFILES)}."
        )
