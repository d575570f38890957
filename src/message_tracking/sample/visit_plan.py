"""Visits that a message gets because it was delivered: of mail apps, of gateways, and of people who click at once.

All are planned before the first reaction is drawn, so that the number of their lines is known.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from message_tracking.sample.campaign import Campaign
from message_tracking.sample.deliveries import Flags, Integers
from message_tracking.sample.events import TICKS
from message_tracking.sample.hashing import fractions
from message_tracking.sample.mailboxes import NOTHING
from message_tracking.sample.profiles import Profile, Range
from message_tracking.sample.tracked_urls import UrlType

Numbers = npt.NDArray[np.float64]

PREFETCHING, SCAN, SCAN_AT_CLICK, QUICK = range(4)
"""Kinds of visits; a scan at a click begins when a person clicks, and that click is part of it."""

_MOST_OF_ALL = 0.5
"""Share of all lines that visits may have: a small sample has fewer visits than messages would have."""
_MINUTE, _HOUR = 60 * TICKS, 3_600 * TICKS

_PREFETCHED_SHARE = 0.95
"""Of the messages of mailboxes that a mail app prefetches for."""
_QUICK_OPENING_SHARE = 0.8


@dataclass(frozen=True)
class VisitPlan:
    """Which visits there are, and how many lines each one has."""

    campaign: Campaign

    @cached_property
    def rows(self) -> pl.DataFrame:
        """Visits in the order of their starts.

        Columns: `visit` (its number), `start` (hundredths of a second since 1970), `what` (its kind), `message`,
        `opens`, `click_count` (a person's at a scan included) and `line_count`.
        """
        generator = np.random.default_rng([self.campaign.options.seed, 11])
        planned = pl.concat([self._prefetches(generator), self._scans(generator), self._quick(generator)])
        planned = planned.with_columns(line_count=pl.col("opens").cast(pl.Int64) + pl.col("click_count"))
        order = generator.permutation(planned.height)
        lines_so_far = np.cumsum(planned["line_count"].to_numpy()[order])
        fitting = order[lines_so_far <= self.campaign.options.lines * _MOST_OF_ALL]
        in_order = planned[np.sort(fitting)].sort("start", maintain_order=True)
        return in_order.with_row_index("visit").cast({"visit": pl.Int64})

    def links_of(self, message: Integers, what: int | Integers) -> Flags:
        """Which links (columns) each visit (row) may follow: all of the body, or those that people click."""
        urls, messages = self.campaign.urls, self.campaign.messages
        is_text = np.array([link.part == "text" for link in urls.links])
        is_placed = np.array([link.slot != "" for link in urls.links])
        is_seen = np.array([link.type == UrlType.CLICK and not link.is_lure for link in urls.links])
        of_part = is_placed & (is_text == messages.is_text[message][:, None])
        for_all = np.asarray(what)[..., None] != QUICK
        return np.asarray(urls.exists[messages.deliveries[message]] & of_part & (for_all | is_seen))

    @cached_property
    def _reached(self) -> Flags:
        """Which messages arrived at a mailbox and are reacted on."""
        deliveries, messages = self.campaign.deliveries, self.campaign.messages
        of = messages.deliveries[: messages.count]
        is_reached = messages.ranks < deliveries.reached_counts[of]
        return np.asarray(is_reached & ~deliveries.are("sms", "direct_mail", "silent_deliveries")[of])

    def _prefetches(self, generator: np.random.Generator) -> pl.DataFrame:
        """Minutes to hours after the send, when the device is charged and at home."""
        messages = self.campaign.messages
        is_prefetched = messages.mailboxes.are_prefetched[messages.recipients[: messages.count]]
        chosen = self._drawn(generator, is_prefetched & ~messages.is_text[: messages.count], _PREFETCHED_SHARE)
        median, spread = self._profile.prefetch_delay * TICKS, self._profile.prefetch_spread
        least, most = in_ticks(self._profile.prefetch_range)
        delay = np.clip(generator.lognormal(np.log(median), spread, chosen.size), least, most)
        return self._planned(PREFETCHING, chosen, delay, opens=np.ones(chosen.size, np.bool_), clicks=0 * chosen)

    def _scans(self, generator: np.random.Generator) -> pl.DataFrame:
        """Soon after the send for most; some messages are looked at again when somebody clicks."""
        messages, options, profile = self.campaign.messages, self.campaign.options, self._profile
        is_scanned = messages.mailboxes.gateways[messages.recipients[: messages.count]] != NOTHING
        chosen = self._drawn(generator, is_scanned & options.has("scanners"), profile.scanned_share)
        links = self.links_of(chosen, SCAN).sum(axis=1)
        opens = (generator.random(chosen.size) < profile.opening_share) & ~messages.is_text[chosen]
        scope = generator.random(chosen.size)
        few = generator.integers(1, profile.most_few_links + 1, chosen.size)
        some = 3 + (generator.random(chosen.size) ** 2 * (links - 3)).astype(np.int64)
        all_up_to, few_up_to = np.cumsum([profile.all_links_share, profile.few_links_share])
        clicks = np.select([scope < all_up_to, scope < few_up_to], [links, few], some).clip(0, links)
        first = self._planned(SCAN, chosen, _scan_delays(generator, profile, chosen.size), opens, clicks)

        again = np.flatnonzero(generator.random(chosen.size) < profile.scanned_at_click_share)
        delay = _spread_evenly(generator, 10 * _MINUTE, 40 * _HOUR, again.size)
        scope = generator.random(again.size)
        clicks = np.select([scope < 0.6, scope < 0.8], [1, generator.integers(2, 4, again.size)], links[again])
        clicks = clicks.clip(0, links[again]) + 1
        at_clicks = self._planned(SCAN_AT_CLICK, chosen[again], delay, np.zeros(again.size, np.bool_), clicks)
        return pl.concat([first, at_clicks, self._scans_again(first)])

    def _scans_again(self, first: pl.DataFrame) -> pl.DataFrame:
        """The same as some of the first scans, within two days after them."""
        seed = self.campaign.options.seed
        again = first.filter(fractions(first["message"].to_numpy(), seed + 83) < self._profile.scanned_again_share)
        later = _spread_evenly(np.random.default_rng([seed, 13]), _MINUTE, 40 * _HOUR, again.height)
        return again.with_columns(start=pl.col("start") + pl.Series(later.astype(np.int64)))

    def _quick(self, generator: np.random.Generator) -> pl.DataFrame:
        """People who happen to look when the message comes: they click seconds after the send."""
        messages, options = self.campaign.messages, self.campaign.options
        has_gateway = messages.mailboxes.gateways[messages.recipients[: messages.count]] != NOTHING
        chosen = self._drawn(generator, ~has_gateway & options.has("fast_readers"), self._profile.quick_share)
        drawn = generator.random(chosen.size)
        clicks = np.select([drawn < 0.7, drawn < 0.95], [1, 2], 3)
        shows = messages.nearest_seen[chosen] == chosen
        opens = shows & ~messages.is_text[chosen] & (generator.random(chosen.size) < _QUICK_OPENING_SHARE)
        delay = generator.uniform(*in_ticks(self._profile.quick_range), chosen.size)
        return self._planned(QUICK, chosen, delay, opens, clicks)

    @property
    def _profile(self) -> Profile:
        return self.campaign.options.profile

    def _drawn(self, generator: np.random.Generator, may_be: Flags, share: float) -> Integers:
        return np.flatnonzero(may_be & self._reached & (generator.random(may_be.size) < share))

    def _planned(self, what: int, message: Integers, delay: Numbers, opens: Flags, clicks: Integers) -> pl.DataFrame:
        messages = self.campaign.messages
        sent = self.campaign.deliveries.contact_seconds[messages.deliveries[message]] + messages.send_delays[message]
        return pl.DataFrame(
            {
                "start": sent * TICKS + delay.astype(np.int64),
                "what": np.full(message.size, what),
                "message": message,
                "opens": opens,
                "click_count": clicks,
            }
        )


def _scan_delays(generator: np.random.Generator, profile: Profile, count: int) -> Numbers:
    """From the send to the scan: about the same for most; some take hours, few hurry."""
    ordinary = generator.lognormal(np.log(profile.scan_delay * TICKS), profile.scan_spread, count)
    hurried = generator.uniform(*in_ticks(profile.hurried_range), count)
    slow = _spread_evenly(generator, *in_ticks(profile.slow_range), count)
    drawn = generator.random(count)
    return np.select([drawn < profile.hurried_share, drawn < 1 - profile.slow_share], [hurried, ordinary], slow)


def in_ticks(seconds: Range) -> Range:
    """The same in hundredths of a second."""
    least, most = seconds
    return least * TICKS, most * TICKS


def _spread_evenly(generator: np.random.Generator, least: float, most: float, count: int) -> Numbers:
    """Times of every order of magnitude."""
    return np.exp(generator.uniform(np.log(least), np.log(most), count))
