"""The messages of a sample and their recipients, before anybody reacts."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from message_tracking.sample.deliveries import STEP_SECONDS, Deliveries, Flags, Integers
from message_tracking.sample.mailboxes import Mailboxes

SENT, FAILED, PENDING, CANCELLED = 1, 2, 6, 7
"""Broadlog statuses (spec §1.4)."""
ON_DENYLIST = 8
"""The failure reason of a complaint (spec §4.1)."""

_FIRST_ID = 600_000_000
_FIRST_NEGATIVE_ID = -2_000_000_000
_FIRST_UNKNOWN_ID = 1_900_000_000
_IDS_PER_CAMPAIGN = 20_000_000
"""Enough for 38 million lines."""
_FAILURE_REASONS = np.array([1, 1, 1, 2, 3, 4, 5, 5, 20])
_UNKNOWN_STATUSES = np.array([3, 9, 12])

_PER_KIND = 3
ZERO_MESSAGE, UNKNOWN_MESSAGE, FOREIGN_MESSAGE = 0, 1, 1 + _PER_KIND
"""Where a delivery's strays of each kind begin: one message 0, then unknown messages, then another delivery's."""
MESSAGE_STRAYS = 1 + 2 * _PER_KIND


@dataclass(frozen=True)
class Messages:
    """Messages numbered through all deliveries.

    Within a delivery the keenest readers come first, those who got nothing come last; ids and recipients are shuffled,
    so that the exports do not show it. After all messages come, for each delivery, MESSAGE_STRAYS ids that its events
    may name though they are no messages of it: arrays that `with strays` is said of go on over those.
    """

    of: Deliveries

    @property
    def count(self) -> int:
        """Messages of all deliveries."""
        return int(self.of.first_messages[-1])

    @property
    def count_with_strays(self) -> int:
        """Messages and strays of all deliveries."""
        return self.count + self.of.count * MESSAGE_STRAYS

    def strays(self, delivery: Integers, kind: int, choice: Integers) -> Integers:
        """Numbers of strays of a kind of each delivery; `choice` says which where there are several."""
        return self.count + delivery * MESSAGE_STRAYS + kind + (choice % _PER_KIND if kind != ZERO_MESSAGE else 0)

    @cached_property
    def deliveries(self) -> Integers:
        """Place of the delivery of each message, with strays."""
        place = np.arange(self.of.count)
        return np.concatenate([np.repeat(place, self.of.message_counts), np.repeat(place, MESSAGE_STRAYS)])

    @cached_property
    def _own(self) -> Integers:
        return self.deliveries[: self.count]

    @cached_property
    def ranks(self) -> Integers:
        """Place of each message within its delivery."""
        return np.asarray(np.arange(self.count) - self.of.first_messages[self._own])

    @cached_property
    def is_text(self) -> Flags:
        """Which messages, with strays, show the text part: one in ten, and never the first of a delivery."""
        one_in_ten = (self.ranks % 10 == 7) & ~self.of.are("html_only_bodies")[self._own]
        drawn = one_in_ten & self.of.options.has("text_messages")
        strays = np.zeros(self.of.count * MESSAGE_STRAYS, dtype=np.bool_)
        return np.asarray(np.concatenate([drawn, strays]) | self.of.is_text_only[self.deliveries])

    @cached_property
    def is_seed(self) -> Flags:
        """Which messages went to control addresses."""
        return np.asarray((self.ranks % 499 == 5) & self.of.options.has("seeds"))

    @cached_property
    def _places_behind(self) -> Integers:
        """How far a message stands behind the last that arrived; negative where it arrived."""
        return np.asarray(self.ranks - self.of.reached_counts[self._own])

    @cached_property
    def statuses(self) -> Integers:
        """Status of each message; a few of those reached count as failed, for they complained (spec §7.7)."""
        behind = self._places_behind
        is_odd = (behind % 10 == 7) & self.of.options.has("unknown_statuses")
        unreached = np.select(
            [is_odd, behind % 10 == 8, behind % 10 == 9],
            [_UNKNOWN_STATUSES[behind // 10 % len(_UNKNOWN_STATUSES)], PENDING, CANCELLED],
            FAILED,
        )
        return np.where(self.complains, FAILED, np.where(behind < 0, SENT, unreached))

    @cached_property
    def has_unknown_status(self) -> Flags:
        """Which messages have a status that is not documented."""
        return np.isin(self.statuses, _UNKNOWN_STATUSES)

    @cached_property
    def complains(self) -> Flags:
        """Which messages arrived and were called spam."""
        drawn = (self.ranks % 501 == 250) & (self._places_behind < 0)
        return np.asarray(drawn & self.of.options.has("complaints"))

    @cached_property
    def failure_reasons(self) -> Integers:
        """Why a message failed, 0 where it did not."""
        drawn = _FAILURE_REASONS[np.arange(self.count) % len(_FAILURE_REASONS)]
        return np.where(self.statuses != FAILED, 0, np.where(self.complains, ON_DENYLIST, drawn))

    @cached_property
    def send_order(self) -> Integers:
        """For each message its place in its delivery's id order."""
        generator = np.random.default_rng([self.of.options.seed, 1])
        return np.concatenate([generator.permutation(count) for count in self.of.message_counts])

    @property
    def send_delays(self) -> Integers:
        """Seconds from the start of the send to each message's."""
        return np.asarray(self.send_order * STEP_SECONDS // self.of.message_counts[self._own])

    @cached_property
    def ids(self) -> Integers:
        """Signed 32-bit id of each message, with strays."""
        number = self.of.first_messages[self._own] + self.send_order
        is_negative = self.of.are("negative_ids")[self._own]
        number += _IDS_PER_CAMPAIGN * self.of.options.number
        own = number + np.where(is_negative, _FIRST_NEGATIVE_ID, _FIRST_ID)
        strays = np.zeros((self.of.count, MESSAGE_STRAYS), dtype=np.int64)
        place, choice = np.arange(self.of.count)[:, None], np.arange(_PER_KIND)
        strays[:, UNKNOWN_MESSAGE : UNKNOWN_MESSAGE + _PER_KIND] = _FIRST_UNKNOWN_ID + place * _PER_KIND + choice
        another = self.of.first_messages[(place + 1) % self.of.count]
        strays[:, FOREIGN_MESSAGE : FOREIGN_MESSAGE + _PER_KIND] = own[another + choice]
        return np.concatenate([own, strays.ravel()])

    @property
    def recipient_count(self) -> int:
        """Known recipients: a quarter more than the largest delivery reaches."""
        return int(self.of.message_counts.max() * 5 // 4)

    @cached_property
    def recipients(self) -> Integers:
        """Place of the recipient of each message, with strays; nobody gets the same delivery twice."""
        counts = self.of.message_counts
        own = [shuffled[:count] for shuffled, count in zip(self._shuffled_recipients(), counts, strict=True)]
        # Whoever uses a stray is no known recipient.
        return np.concatenate([*own, self.recipient_count + np.arange(self.of.count * MESSAGE_STRAYS)])

    @cached_property
    def mailboxes(self) -> Mailboxes:
        """Where each recipient, with those of strays, reads."""
        return Mailboxes(self.of.options, self.recipient_count + self.of.count * MESSAGE_STRAYS)

    @cached_property
    def nearest_seen(self) -> Integers:
        """For each message the one before it whose opens are seen: HTML that no mail app prefetches.

        It is the message itself where its delivery has none before it.
        """
        place = np.arange(self.count)
        is_seen = ~self.is_text[: self.count] & ~self.mailboxes.are_prefetched[self.recipients[: self.count]]
        nearest = np.maximum.accumulate(np.where(is_seen, place, -1))
        return np.where(nearest >= self.of.first_messages[self._own], nearest, place)

    @cached_property
    def excluded_recipients(self) -> Integers:
        """Places of the recipients whom rules kept out, delivery by delivery."""
        counts, ends = self.of.message_counts, self.of.message_counts + self.of.rejected_counts
        drawn = zip(self._shuffled_recipients(), counts, ends, strict=True)
        return np.concatenate([shuffled[count:end] for shuffled, count, end in drawn])

    def _shuffled_recipients(self) -> Iterator[Integers]:
        """All known recipients, shuffled for each delivery: first its own, then those whom rules kept out of it."""
        generator = np.random.default_rng([self.of.options.seed, 2])
        return (generator.permutation(self.recipient_count) for _ in range(self.of.count))
