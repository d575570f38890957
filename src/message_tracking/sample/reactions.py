"""Reactions to a campaign, in the order of time and in bounded memory, whatever their number."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from message_tracking.sample.campaign import LINK_COUNT, STEP_SECONDS, Campaign, Integers, links_of
from message_tracking.sample.hashing import fractions

KINDS = ["open", "click", "opt_out", "web", "transaction", "mirror_page"]
OPEN, CLICK, OPT_OUT, WEB, TRANSACTION, MIRROR_PAGE = range(len(KINDS))
_URL_TYPES = {CLICK: 1, OPT_OUT: 3, WEB: 4, TRANSACTION: 5, MIRROR_PAGE: 6}

OPEN_PIXEL = -1
"""Stands for the reserved URL id 1 in the column `url`."""

DEVICES = 4
"""Browsers that can act on one message: two of the recipient's own, and one of somebody it was forwarded to."""
_SECOND_DEVICE, _FORWARDED = 1, 2

NO_UUID, COOKIE, NO_COOKIES = 0, 1, 2
"""Whose requester UUID an event carries: nobody's, the device's own, or a new one because cookies are refused."""

_CHUNK_LINES = 250_000
_KIND_SHARES = np.array([0.6, 0.28, 0.012, 0.05, 0.028, 0.03])
_FOLLOWER_SHARE = 0.06
_TICKS = 100
"""Time is counted in hundredths of a second, as the log prints it."""


@dataclass(frozen=True)
class Reactions:
    """Draws exactly as many reactions as the options ask for lines."""

    campaign: Campaign

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Yield frames of reactions ordered by time, none of a frame before the last of the one before it.

        Columns: `at` (hundredths of a second since 1970), `serial` (unique), `delivery`, `message`, `recipient`
        (places in the campaign), `kind` (place in KINDS), `url` (place in the campaign's tracked URLs or OPEN_PIXEL),
        `device`, `uuid_kind`, `is_text`, `cents` and `articles` (of transactions).
        """
        waiting: pl.DataFrame | None = None
        first = 0
        for number, (begin, end) in enumerate(self._slices):
            last = round(self.campaign.options.lines * self._mass_before[end])
            drawn = self._drawn(number, begin, end, first, last - first)
            first = last
            known = pl.concat([waiting, drawn]) if waiting is not None else drawn
            known = known.sort("at", "serial")
            is_due = pl.col("at") < (self._origin + end * STEP_SECONDS) * _TICKS
            waiting = known.filter(~is_due)
            yield known.filter(is_due)
        if waiting is not None:
            yield waiting

    @property
    def _origin(self) -> int:
        return int(self.campaign.contact_seconds.min())

    @cached_property
    def _density(self) -> npt.NDArray[np.float64]:
        """Share of all reactions for each delivery and step of the clock.

        Interest decays over hours and days, and people sleep. Nobody reacts in the step in which the send runs.
        """
        campaign = self.campaign
        # The last step stays empty, so that what follows a reaction within a minute ends in time, too.
        steps = self._origin + STEP_SECONDS * np.arange((campaign.end_seconds - self._origin) // STEP_SECONDS - 1)
        age_hours = (steps[None, :] - campaign.contact_seconds[:, None]) / 3_600
        interest = 0.65 / 6 * np.exp(-age_hours.clip(0) / 6) + 0.35 / 60 * np.exp(-age_hours.clip(0) / 60)
        awake = 0.15 + 0.85 * np.sin(np.pi * ((steps / 3_600 - 5) % 24) / 24) ** 2
        density = np.where(age_hours > 0, interest * awake[None, :], 0)
        weights = campaign.reached_counts * (0.6 + 0.8 * fractions(campaign.delivery_ids, campaign.options.seed))
        density *= (weights / density.sum(axis=1))[:, None]
        return np.asarray(density / density.sum())

    @cached_property
    def _mass_before(self) -> npt.NDArray[np.float64]:
        mass = np.concatenate([[0.0], np.cumsum(self._density.sum(axis=0))])
        mass[-1] = 1.0
        return mass

    @cached_property
    def _slices(self) -> list[tuple[int, int]]:
        """Ranges of steps that hold about as many reactions each."""
        count = max(1, self.campaign.options.lines // _CHUNK_LINES)
        inner = np.searchsorted(self._mass_before, np.arange(1, count) / count)
        bounds = np.unique(np.concatenate([[0], inner, [self._density.shape[1]]])).tolist()
        return list(pairwise(bounds))

    def _drawn(self, number: int, begin: int, end: int, first_serial: int, count: int) -> pl.DataFrame:
        """Draw `count` reactions whose first causes lie in one slice; some follow another one within a minute."""
        generator = np.random.default_rng([self.campaign.options.seed, 10, number])
        follower_count = int(count * _FOLLOWER_SHARE)
        primary = self._primaries(generator, begin, end, count - follower_count)
        followers = primary[generator.integers(0, max(primary.height, 1), follower_count)].with_columns(
            at=pl.col("at") + pl.Series(generator.integers(20, 59 * _TICKS, follower_count))
        )
        return pl.concat([primary, followers]).with_columns(
            serial=pl.int_range(first_serial, first_serial + count, dtype=pl.Int64)
        )

    def _primaries(self, generator: np.random.Generator, begin: int, end: int, count: int) -> pl.DataFrame:
        campaign = self.campaign
        density = self._density[:, begin:end]
        cells = generator.multinomial(count, density.ravel() / density.sum())
        cell = np.repeat(np.arange(density.size), cells)
        delivery, step = np.divmod(cell, density.shape[1])
        ticks = generator.integers(0, STEP_SECONDS * _TICKS, count)

        kind = self._kinds(generator, delivery)
        rank = (campaign.reached_counts[delivery] * generator.random(count) ** 1.8).astype(np.int64)
        # A text body holds no pixel and no mirror page: the neighbour, who got HTML, reacts instead.
        needs_html = np.isin(kind, [OPEN, MIRROR_PAGE]) & (rank % 10 == 7)
        message = campaign.first_messages[delivery] + rank - needs_html
        is_text = campaign.is_text[message]
        transacts = kind == TRANSACTION
        return pl.DataFrame(
            {
                "at": (self._origin + (begin + step) * STEP_SECONDS) * _TICKS + ticks,
                "serial": np.zeros(count, dtype=np.int64),
                "delivery": delivery,
                "message": message,
                "recipient": campaign.recipients[message],
                "kind": kind,
                "url": self._urls(generator, delivery, kind, is_text),
                "device": np.searchsorted([0.78, 0.96], generator.random(count)),
                "uuid_kind": _uuid_kinds(generator, kind),
                "is_text": is_text,
                "cents": np.where(transacts, generator.integers(500, 30_000, count), 0),
                "articles": np.where(transacts, generator.integers(1, 6, count), 0),
            }
        )

    def _kinds(self, generator: np.random.Generator, delivery: Integers) -> Integers:
        """Draw kinds; some deliveries are clicked more than others."""
        shares = np.tile(_KIND_SHARES, (self.campaign.options.deliveries, 1))
        shares[:, CLICK] *= 0.6 + 0.8 * fractions(self.campaign.delivery_ids, self.campaign.options.seed + 1)
        bounds = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
        drawn = generator.random(delivery.size)
        return np.asarray(sum((drawn >= bounds[delivery, kind]).astype(np.int64) for kind in range(len(KINDS) - 1)))

    def _urls(
        self, generator: np.random.Generator, delivery: Integers, kind: Integers, is_text: npt.NDArray[np.bool_]
    ) -> Integers:
        url = np.full(kind.size, OPEN_PIXEL, dtype=np.int64)
        drawn = generator.random(kind.size)
        for code, url_type in _URL_TYPES.items():
            for part in ("html", "text"):
                links = links_of(url_type, part)
                places = np.flatnonzero((kind == code) & (is_text == (part == "text")))
                # Web and transaction pages lie outside the body: a reader of text reaches the same ones.
                links = links if links.size else links_of(url_type, "html")
                popularity = np.cumsum(1 / np.arange(1, links.size + 1))
                chosen = np.searchsorted(popularity[:-1], drawn[places] * popularity[-1], side="right")
                url[places] = delivery[places] * LINK_COUNT + links[chosen]
        return url


def _uuid_kinds(generator: np.random.Generator, kind: Integers) -> Integers:
    """Opens seldom carry a UUID, other reactions nearly always do; some readers refuse cookies (spec §1.1)."""
    drawn = generator.random(kind.size)
    of_opens = np.select([drawn < 0.84, drawn < 0.95], [NO_UUID, COOKIE], NO_COOKIES)
    of_others = np.select([drawn < 0.01, drawn < 0.93], [NO_UUID, COOKIE], NO_COOKIES)
    return np.where(kind == OPEN, of_opens, of_others)
