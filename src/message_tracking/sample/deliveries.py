"""The deliveries of a sample: who they are, when they were sent, how many messages they have."""

import datetime
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from message_tracking.sample.hashing import fractions
from message_tracking.sample.options import SampleOptions

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

STEP_SECONDS = 600
"""Grid of the campaign's clock: sends start on it and last for one step."""

FIRST_DELIVERY_ID = 451_600_000
_FIRST_NEGATIVE_DELIVERY_ID = -1_900_000_000
_ID_STEP = 977
_IDS_PER_CAMPAIGN = 1_000_000

_OF_ORDINARY = {1: "proofs", 2: "negative_ids"}
"""Traits of the second and the third delivery."""
_OF_THEIR_OWN = (
    "sms",
    "direct_mail",
    "null_typologies",
    "undated_deliveries",
    "null_counts",
    "text_only_deliveries",
    "silent_deliveries",
    "undescribed_deliveries",
    "late_references",
    "missing_bodies",
    "html_only_bodies",
)
"""Traits that get a small delivery of their own, after the ordinary ones."""


@dataclass(frozen=True)
class Deliveries:
    """Every array has one entry for each delivery with messages, the ordinary ones first."""

    options: SampleOptions

    @cached_property
    def roles(self) -> list[str]:
        """The trait that a delivery is there for, '' for most of the ordinary ones."""
        has = self.options.has
        ordinary = [_OF_ORDINARY.get(place, "") for place in range(self.options.deliveries)]
        return [*(role if has(role) else "" for role in ordinary), *filter(has, _OF_THEIR_OWN)]

    @property
    def count(self) -> int:
        """Deliveries with messages."""
        return len(self.roles)

    def are(self, *roles: str) -> Flags:
        """Which deliveries have one of these roles."""
        return np.isin(self.roles, roles)

    @cached_property
    def ids(self) -> Integers:
        """Signed 32-bit ids."""
        first = np.where(self.are("negative_ids"), _FIRST_NEGATIVE_DELIVERY_ID, FIRST_DELIVERY_ID)
        return np.asarray(first + _IDS_PER_CAMPAIGN * self.options.number + _ID_STEP * np.arange(self.count))

    @cached_property
    def is_extra(self) -> Flags:
        """Which deliveries are none of the ordinary ones."""
        return np.arange(self.count) >= self.options.deliveries

    @cached_property
    def is_text_only(self) -> Flags:
        """Which deliveries have no HTML part."""
        return self.are("sms", "text_only_deliveries")

    @property
    def end_seconds(self) -> int:
        """Nothing happens from here on; seconds since 1970."""
        return int(datetime.datetime.combine(self.options.start, datetime.time(), datetime.UTC).timestamp())

    @cached_property
    def contact_seconds(self) -> Integers:
        """Start of each send, seconds since 1970: three to 24 days before the sample's start."""
        place = np.arange(self.count)
        ordinary = self.options.deliveries
        days = np.where(self.is_extra, 20 - place % 16, 24 - (place * 21) // max(ordinary - 1, 1))
        hours = 8 + (place * 5) % 10
        return np.asarray(self.end_seconds - days * 86_400 + hours * 3_600)

    @cached_property
    def message_counts(self) -> Integers:
        """About one message for every two lines, at least 40 a delivery; 20 of a proof, 20 to 60 of the small ones."""
        shares = 0.5 + fractions(np.arange(self.count), self.options.seed)
        shares[self.are("proofs") | self.is_extra] = 0
        drawn = self.options.lines / 2 * shares / max(shares.sum(), 1e-9)
        counts: Integers = np.maximum(40, drawn.astype(np.int64))
        counts[self.is_extra] = np.clip(self.options.lines // 500, 20, 60)
        counts[self.are("proofs")] = 20
        return counts

    @property
    def rejected_counts(self) -> Integers:
        """Recipients whom rules kept out of each delivery: one for every twenty messages."""
        return np.asarray(self.message_counts // 20)

    @property
    def reached_counts(self) -> Integers:
        """Messages that arrived: the first ones of each delivery."""
        return np.asarray(self.message_counts - self.message_counts // 12)

    @cached_property
    def first_messages(self) -> Integers:
        """Number of each delivery's first message, and the count of all at the end."""
        return np.concatenate([[0], np.cumsum(self.message_counts)])
