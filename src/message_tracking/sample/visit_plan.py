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
from message_tracking.sample.mailboxes import NOTHING
from message_tracking.sample.tracked_urls import UrlType

Numbers = npt.NDArray[np.float64]

PREFETCHING, SCAN, SCAN_AT_CLICK, QUICK = range(4)
"""Kinds of visits; a scan at a click begins when a person clicks, and that click is part of it."""

_MOST_OF_ALL = 0.5
"""Share of all lines that visits may have: a small sample has fewer visits than messages would have."""
_MINUTE, _HOUR = 60 * TICKS, 3_600 * TICKS

_PREFETCHED_SHARE, _SCANNED_SHARE, _SCANNED_AT_CLICK_SHARE, _QUICK_SHARE = 0.95, 0.93, 0.07, 0.004
"""Of the messages of mailboxes of the kind; scans at a click come after an ordinary one."""
_OPENING_SHARE, _QUICK_OPENING_SHARE = 0.65, 0.8
_ALL_LINKS_UP_TO, _FEW_LINKS_UP_TO = 0.34, 0.5
"""Of scans: those that follow every link, and those that follow one or two; the others follow three or more."""


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
        delay = np.clip(generator.lognormal(np.log(40 * _MINUTE), 1.3, chosen.size), 2 * _MINUTE, 36 * _HOUR)
        return self._planned(PREFETCHING, chosen, delay, opens=np.ones(chosen.size, np.bool_), clicks=0 * chosen)

    def _scans(self, generator: np.random.Generator) -> pl.DataFrame:
        """Soon after the send for most; some messages are looked at again when somebody clicks."""
        messages, options = self.campaign.messages, self.campaign.options
        is_scanned = messages.mailboxes.gateways[messages.recipients[: messages.count]] != NOTHING
        chosen = self._drawn(generator, is_scanned & options.has("scanners"), _SCANNED_SHARE)
        links = self.links_of(chosen, SCAN).sum(axis=1)
        opens = (generator.random(chosen.size) < _OPENING_SHARE) & ~messages.is_text[chosen]
        scope = generator.random(chosen.size)
        few = generator.integers(1, 3, chosen.size)
        some = 3 + (generator.random(chosen.size) ** 2 * (links - 3)).astype(np.int64)
        clicks = np.select([scope < _ALL_LINKS_UP_TO, scope < _FEW_LINKS_UP_TO], [links, few], some).clip(0, links)
        first = self._planned(SCAN, chosen, _scan_delays(generator, chosen.size), opens, clicks)

        again = np.flatnonzero(generator.random(chosen.size) < _SCANNED_AT_CLICK_SHARE)
        delay = _spread_evenly(generator, 10 * _MINUTE, 40 * _HOUR, again.size)
        scope = generator.random(again.size)
        clicks = np.select([scope < 0.6, scope < 0.8], [1, generator.integers(2, 4, again.size)], links[again])
        clicks = clicks.clip(0, links[again]) + 1
        return pl.concat(
            [first, self._planned(SCAN_AT_CLICK, chosen[again], delay, np.zeros(again.size, np.bool_), clicks)]
        )

    def _quick(self, generator: np.random.Generator) -> pl.DataFrame:
        """People who happen to look when the message comes: they click less than 20 seconds after the send."""
        messages, options = self.campaign.messages, self.campaign.options
        has_gateway = messages.mailboxes.gateways[messages.recipients[: messages.count]] != NOTHING
        chosen = self._drawn(generator, ~has_gateway & options.has("fast_readers"), _QUICK_SHARE)
        drawn = generator.random(chosen.size)
        clicks = np.select([drawn < 0.7, drawn < 0.95], [1, 2], 3)
        shows = messages.nearest_seen[chosen] == chosen
        opens = shows & ~messages.is_text[chosen] & (generator.random(chosen.size) < _QUICK_OPENING_SHARE)
        return self._planned(QUICK, chosen, generator.uniform(2 * TICKS, 16 * TICKS, chosen.size), opens, clicks)

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


def _scan_delays(generator: np.random.Generator, count: int) -> Numbers:
    """From the send to the scan: three quarters of a minute for most, more or less; some take hours, few hurry."""
    ordinary = generator.lognormal(np.log(40 * TICKS), 0.38, count)
    hurried = generator.uniform(3 * TICKS, 20 * TICKS, count)
    slow = _spread_evenly(generator, _MINUTE, 6 * _HOUR, count)
    drawn = generator.random(count)
    return np.select([drawn < 0.005, drawn < 0.86], [hurried, ordinary], slow)


def _spread_evenly(generator: np.random.Generator, least: int, most: int, count: int) -> Numbers:
    """Times of every order of magnitude."""
    return np.exp(generator.uniform(np.log(least), np.log(most), count))
