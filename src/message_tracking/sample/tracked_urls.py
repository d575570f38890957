"""The tracked URLs of a sample's deliveries, and where in a body each one stands."""

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from message_tracking.sample.deliveries import Deliveries, Flags, Integers


class UrlType(IntEnum):
    """What a reaction on a URL is (spec §1.4)."""

    CLICK, OPEN, OPT_OUT, WEB, TRANSACTION, MIRROR_PAGE = 1, 2, 3, 4, 5, 6


UNDOCUMENTED_TYPES = (0, 7, 10)
NETWORKS = ["facebook", "email", "twitter", "linkedin", "google", "delicious", "digg"]
"""The categories of sharing links (spec §1.4), the most used first."""
LURE = "lure"
"""The category of links that people do not see."""

_FIRST_ID = 1_500_000_000
_FIRST_NEGATIVE_ID = -1_600_000_000
_FIRST_UNKNOWN_ID = 1_990_000_000
_IDS_PER_DELIVERY = 1_000
_IDS_PER_CAMPAIGN = 1_100_000

_DELIVERIES_PER_LURE = 2

UNKNOWN_URL, FOREIGN_URL = 0, 1
URL_STRAYS = 2
"""Ids of each delivery that its events may name though they are no URLs of it."""


@dataclass(frozen=True)
class Link:
    """A tracked URL as every delivery has it; `{d}` in the page stands for the delivery's id."""

    type: int
    label: str
    category: str
    part: str
    page: str
    slot: str = ""
    """Where a layout puts it; '' is nowhere."""
    trait: str = ""
    """The trait that it is there for; '' is always there."""
    offer: int | None = None

    @property
    def is_lure(self) -> bool:
        """Whether people do not see it."""
        return self.category == LURE


_SALE = "https://shop.example/sale?campaign={d}&medium=mail"
_LINKS = [
    Link(1, "Shop", "promo", "html", _SALE, "hero"),
    Link(1, "Shop", "promo", "html", _SALE, "button", "repeated_links"),
    Link(1, "Blog", "news", "html", "https://blog.example/{d}/article", "story"),
    Link(1, "Shop", "promo", "html", "https://shop.example/new?campaign={d}&medium=mail", "story", "shared_labels"),
    Link(1, "Product, red", "promo", "html", "https://shop.example/p/red-{d}?size=m&colour=red", "product"),
    Link(1, 'Product "blue"', "promo", "html", "https://shop.example/p/blue-{d}?size=m&colour=blue", "product"),
    Link(1, "Produit d'été", "promo", "html", "https://shop.example/p/%C3%A9t%C3%A9-{d}", "product"),
    Link(1, "Offer of the week", "promo", "html", "https://shop.example/offer/{d}", "offer", "offers", 7_001),
    Link(1, "Outlet", "promo", "html", "https://shop.example/outlet/{d}", "offer", "offers", 0),
    Link(1, "", "company", "html", "https://www.example/{d}/about", "legal", "empty_labels"),
    Link(1, "Help", "", "html", "https://www.example/help?from={d}", "legal", "empty_categories"),
    *(
        Link(1, network, network, "html", f"https://{network}.example/share?u={{d}}&t=mail", "social", "sharing")
        for network in NETWORKS
    ),
    Link(1, "Terms", "legal", "html", "https://www.example/terms", "legal"),
    Link(1, "Old landing page", "promo", "html", "https://shop.example/old/{d}", "", "unplaced_urls"),
    Link(1, "Shop", "promo", "text", _SALE, "hero"),
    Link(1, "Shop", "promo", "text", _SALE, "button", "repeated_links"),
    Link(1, "Blog", "news", "text", "https://blog.example/{d}/article", "story"),
    Link(1, "Terms", "legal", "text", "https://www.example/terms", "legal"),
    Link(3, "Unsubscribe", "", "html", "https://www.example/optout?d={d}&c=1", "unsubscribe", "opt_outs"),
    Link(3, "Unsubscribe", "", "text", "https://www.example/optout?d={d}&c=1", "unsubscribe", "opt_outs"),
    Link(4, "Visited page", "", "html", "https://shop.example/visited", "", "web_pages"),
    Link(5, "Order confirmed", "", "html", "https://shop.example/ordered", "", "transactions"),
    Link(6, "Mirror page", "", "html", "https://www.example/mirror?d={d}", "mirror", "mirror_pages"),
    Link(0, "Not typed", "", "html", "https://www.example/{d}/untyped", "legal", "undocumented_types"),
    Link(7, "Map", "", "html", "https://www.example/{d}/map", "legal", "undocumented_types"),
    Link(10, "Notification", "", "html", "https://www.example/{d}/notification", "", "undocumented_types"),
    Link(2, "Second pixel", "", "html", "https://www.example/pixel?d={d}", "", "open_typed_urls"),
    Link(1, "Hidden link", LURE, "html", "https://www.example/{d}/hidden", "lure", "lure_links"),
]  # fmt: skip
"""The most clicked first within a type and part; those of one page in the order of the body."""


@dataclass(frozen=True)
class TrackedUrls:
    """URLs numbered through all deliveries, as many as there are links for each of them.

    Not every delivery has every link: `exists` tells. After all URLs come, for each delivery, an id that nobody knows
    and one that is another delivery's.
    """

    of: Deliveries

    @cached_property
    def links(self) -> list[Link]:
        """The links of a delivery."""
        return [link for link in _LINKS if not link.trait or self.of.options.has(link.trait)]

    @cached_property
    def exists(self) -> Flags:
        """Whether each delivery (row) has each link (column)."""
        parts = np.array([link.part for link in self.links])
        is_page = np.isin([link.type for link in self.links], [UrlType.WEB, UrlType.TRANSACTION])
        has_html = ~self.of.is_text_only & ~self.of.are("direct_mail")
        has_text = ~self.of.are("html_only_bodies", "direct_mail")
        in_part = np.where(parts == "html", has_html[:, None], has_text[:, None])
        exists = in_part | (is_page & ~self.of.are("direct_mail")[:, None])
        has_lure = np.arange(self.of.count) % _DELIVERIES_PER_LURE == 0
        return np.asarray(exists & (has_lure[:, None] | ~np.array([link.is_lure for link in self.links])))

    @property
    def count(self) -> int:
        """Places of URLs, strays left out."""
        return self.of.count * len(self.links)

    @cached_property
    def ids(self) -> Integers:
        """Signed 32-bit id of each URL, with strays."""
        place = np.arange(self.of.count)
        first = np.where(self.of.are("negative_ids"), _FIRST_NEGATIVE_ID, _FIRST_ID)
        first = first + _IDS_PER_CAMPAIGN * self.of.options.number + _IDS_PER_DELIVERY * place
        own = first[:, None] + np.arange(len(self.links))
        another = (place + 1) % self.of.count
        # A delivery without links has none to lend.
        another = np.where(self.exists[another].any(axis=1), another, (another + 1) % self.of.count)
        foreign = own[another, self.exists[another].argmax(axis=1)]
        return np.concatenate([own.ravel(), np.stack([_FIRST_UNKNOWN_ID + place, foreign], axis=1).ravel()])

    def strays(self, delivery: Integers, kind: int) -> Integers:
        """Numbers of the strays of a kind of each delivery."""
        return self.count + delivery * URL_STRAYS + kind

    def places(self, types: tuple[int, ...], part: str) -> Integers:
        """Places, among the links, of those of some types and one part that people see, the most clicked first."""
        return np.flatnonzero([link.type in types and link.part == part and not link.is_lure for link in self.links])

    def occurrence(self, place: int) -> int:
        """How often the same page stands in the same part before this link (design §4.3, hot_clicks)."""
        link = self.links[place]
        return sum((earlier.part, earlier.page) == (link.part, link.page) for earlier in self.links[:place])
