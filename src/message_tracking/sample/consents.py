"""What the recipients of a sample permit and refuse, and when."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from message_tracking.sample.deliveries import Flags, Integers
from message_tracking.sample.hashing import fractions
from message_tracking.sample.messages import MESSAGE_STRAYS, Messages

_REFUSER_SHARE = 0.03
_NEVER = 2**40
"""Seconds since 1970."""


@dataclass(frozen=True)
class Consents:
    """Some recipients refuse to be tracked while the campaign goes on; every second one permits it again later."""

    of: Messages

    @cached_property
    def refusers(self) -> Integers:
        """Places of the recipients who refuse."""
        deliveries = self.of.of
        drawn = fractions(np.arange(self.of.recipient_count), deliveries.options.seed + 4) < _REFUSER_SHARE
        return np.flatnonzero(drawn & deliveries.options.has("consents"))

    @cached_property
    def refused_seconds(self) -> Integers:
        """When each of the refusers refused, seconds since 1970."""
        deliveries = self.of.of
        begin, end = int(deliveries.contact_seconds.min()), deliveries.end_seconds
        return np.asarray(begin + (end - begin) * fractions(self.refusers, deliveries.options.seed + 5), dtype=np.int64)

    @cached_property
    def permitted_seconds(self) -> Integers:
        """When each of the refusers permitted it again; far in the future for those who did not."""
        days = 1 + np.arange(self.refusers.size) % 7
        return np.where(self.permits_again, self.refused_seconds + 86_400 * days, _NEVER)

    @cached_property
    def permits_again(self) -> Flags:
        """Which of the refusers permitted it again."""
        return np.asarray(np.arange(self.refusers.size) % 2 == 1)

    def are_withdrawn(self, recipients: Integers, at: Integers) -> Flags:
        """Which reactions happened while their recipient refused: places of recipients, hundredths of a second."""
        begin, end = self._withdrawn_ticks
        return np.asarray((at >= begin[recipients]) & (at < end[recipients]))

    @cached_property
    def _withdrawn_ticks(self) -> Integers:
        """From when and until when each recipient refused, with strays, hundredths of a second since 1970."""
        ticks = np.full((2, self.of.recipient_count + self.of.of.count * MESSAGE_STRAYS), _NEVER * 100)
        ticks[:, self.refusers] = 100 * np.stack([self.refused_seconds, self.permitted_seconds])
        return ticks
