"""Reactions to a campaign, in the order in which they are logged and in bounded memory, whatever their number."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from message_tracking.sample.actors import actors_of_people
from message_tracking.sample.campaign import Campaign
from message_tracking.sample.deliveries import STEP_SECONDS, Flags, Integers
from message_tracking.sample.events import (
    CLICK,
    COOKIE,
    EDGE,
    FAST,
    FORWARDED,
    KINDS,
    MIRROR_PAGE,
    NO_COOKIES,
    NO_UUID,
    OPEN,
    OPEN_PIXEL,
    PRIMARY,
    REPEAT,
    TICKS,
    TRANSACTION,
    UNKNOWN,
    URL_TYPES,
    WEB,
)
from message_tracking.sample.hashing import fractions
from message_tracking.sample.messages import FOREIGN_MESSAGE, UNKNOWN_MESSAGE, ZERO_MESSAGE
from message_tracking.sample.parameters import drawn_parameters
from message_tracking.sample.tracked_urls import FOREIGN_URL, UNKNOWN_URL
from message_tracking.sample.visits import Visits

EDGES = [(5_990,), (6_000,), (6_010,), (3_000, 5_990, 6_000), (3_000, 6_010, 9_000, 12_010)]
"""Hundredths of a second after an open at which more follow: just duplicates, just none, and chains of both."""

_CHUNK_LINES = 200_000
_HTML_ONLY = [OPEN, MIRROR_PAGE, UNKNOWN]
"""Kinds that a text body has nothing for."""
_KIND_SHARES = np.array([0.59, 0.28, 0.012, 0.05, 0.028, 0.03, 0.01])
_REPEAT_SHARE = 0.06
_LINES_PER_EDGE = 150
_LINES_PER_FAST_READER = 150
_ELSEWHERE_SHARE = 0.06
_EXTRA_INTEREST = 0.5
_LEAST = 1e-300
_LATE_EVERY = 499
_HOUR = 3_600 * TICKS


@dataclass(frozen=True)
class Reactions:
    """Draws exactly as many reactions as the options ask for lines."""

    campaign: Campaign

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Yield frames of reactions in the order of logging; none happened before one of an earlier frame.

        Columns: `at` (hundredths of a second since 1970), `serial` (unique), `delivery`, `message`, `recipient`, `url`
        (places in the campaign, strays included; or OPEN_PIXEL), `kind` (place in KINDS), `device`, `uuid_kind`,
        `is_text`, `parameters` (place in ODD_PARAMETERS, PLAIN or NONE), `cents` and `articles` (as they count),
        `origin` (PRIMARY, REPEAT, EDGE or FAST) and `is_late` (the line stands hours behind its time). Where people and
        machines are told apart, also `actor` (place in ACTORS) and `visit` (a number for each machine's visit, -1 for
        people).
        """
        waiting: pl.DataFrame | None = None
        before = serial = 0
        for number, (begin, end) in enumerate(self._slices):
            until = round(self._people_lines * self._mass_before[end])
            drawn = self._drawn(number, begin, end, serial, until - before)
            if self.campaign.options.has_actors:
                drawn = self._with_visits(number, begin, end, serial, drawn)
            before, serial = until, serial + drawn.height
            known = pl.concat([waiting, drawn]) if waiting is not None else drawn
            is_due = pl.col("at") < (self._origin + end * STEP_SECONDS) * TICKS
            waiting = known.filter(~is_due)
            yield self._logged(known.filter(is_due))
        if waiting is not None:
            yield self._logged(waiting)

    def _logged(self, events: pl.DataFrame) -> pl.DataFrame:
        """Sort by the time of logging, which for late events is 6 to 54 hours after they happened.

        Events of one time keep their order, which is that of their serial numbers.
        """
        if not self.campaign.options.has("late_events"):
            return events.sort("at", maintain_order=True).with_columns(is_late=False)
        serials = events["serial"].to_numpy()
        delay = ((6 + 48 * fractions(serials, 60)) * _HOUR).astype(np.int64)
        events = events.with_columns(is_late=pl.Series(serials % _LATE_EVERY == 77))
        logged_at = pl.col("at") + pl.when("is_late").then(pl.lit(pl.Series(delay))).otherwise(0)
        return events.sort(logged_at, maintain_order=True)

    @property
    def _origin(self) -> int:
        return int(self.campaign.deliveries.contact_seconds.min())

    @cached_property
    def _density(self) -> npt.NDArray[np.float64]:
        """Share of all reactions for each delivery and step of the clock.

        Interest decays over hours and days, and people sleep. Nobody reacts in the step in which the send runs.
        """
        deliveries = self.campaign.deliveries
        # The last step stays empty, so that what follows a reaction within minutes ends in time, too.
        steps = self._origin + STEP_SECONDS * np.arange((deliveries.end_seconds - self._origin) // STEP_SECONDS - 1)
        age_hours = (steps[None, :] - deliveries.contact_seconds[:, None]) / 3_600
        interest = 0.65 / 6 * np.exp(-age_hours.clip(0) / 6) + 0.35 / 60 * np.exp(-age_hours.clip(0) / 60)
        awake = 0.15 + 0.85 * np.sin(np.pi * ((steps / 3_600 - 5) % 24) / 24) ** 2
        density = np.where(age_hours > 0, interest * awake[None, :], 0)
        weights = deliveries.reached_counts * (0.6 + 0.8 * fractions(deliveries.ids, self.campaign.options.seed))
        weights *= np.where(deliveries.is_extra, _EXTRA_INTEREST, 1)
        weights *= ~deliveries.are("direct_mail", "silent_deliveries")
        density *= (weights / density.sum(axis=1))[:, None]
        return np.asarray(density / density.sum())

    @cached_property
    def _mass_before(self) -> npt.NDArray[np.float64]:
        mass = np.concatenate([[0.0], np.cumsum(self._density.sum(axis=0))])
        mass[-1] = 1.0
        return mass

    @cached_property
    def _visits(self) -> Visits:
        return Visits(self.campaign)

    @cached_property
    def _people_lines(self) -> int:
        """Lines that are no part of a visit."""
        return self.campaign.options.lines - (self._visits.line_count if self.campaign.options.has_actors else 0)

    @cached_property
    def _slices(self) -> list[tuple[int, int]]:
        """Ranges of steps that hold about as many reactions each."""
        lines = self.campaign.options.lines
        count = math.ceil(lines / _CHUNK_LINES)
        shares_before = self._mass_before * (self._people_lines / lines)
        if self.campaign.options.has_actors:
            of_visits = self._visits.lines_per_step(self._origin, self._density.shape[1])
            shares_before[1:] += np.cumsum(of_visits) / lines
        inner = np.searchsorted(shares_before, np.arange(1, count) / count)
        bounds = np.unique(np.concatenate([[0], inner, [self._density.shape[1]]])).tolist()
        return list(pairwise(bounds))

    def _drawn(self, number: int, begin: int, end: int, first_serial: int, count: int) -> pl.DataFrame:
        """Draw `count` reactions whose first causes lie in one slice; some follow another one within minutes."""
        options = self.campaign.options
        generator = np.random.default_rng([options.seed, 10, number])
        edges = [EDGES[group % len(EDGES)] for group in range(count // _LINES_PER_EDGE)]
        edges = edges if options.has("edge_opens") else []
        edge_count = sum(map(len, edges))
        repeat_count = int(count * _REPEAT_SHARE) if options.has("repeated_reactions") else 0
        readers = options.profile.fast_readers
        fast_readers = [readers[place % len(readers)] for place in range(count // _LINES_PER_FAST_READER)]
        fast_readers = fast_readers if options.has("fast_readers") else []
        primary_count = count - repeat_count - edge_count - sum(map(len, fast_readers))
        primary = self._primaries(generator, begin, end, first_serial, primary_count)
        repeats = primary[generator.integers(0, max(primary.height, 1), repeat_count)].with_columns(
            at=pl.col("at") + pl.Series(generator.integers(20, 59 * TICKS, repeat_count)),
            origin=pl.lit(REPEAT, pl.Int64),
        )
        opens = np.flatnonzero(primary["kind"].to_numpy() == OPEN)
        chosen = generator.integers(0, max(opens.size, 1), len(edges))
        edge_opens = primary[np.repeat(opens[chosen], [len(edge) for edge in edges])].with_columns(
            at=pl.col("at") + pl.Series([offset for edge in edges for offset in edge], dtype=pl.Int64),
            origin=pl.lit(EDGE, pl.Int64),
        )
        drawn = [primary, repeats, edge_opens]
        if fast_readers:
            drawn.append(self._fast_clicks(generator, primary, fast_readers))
        return pl.concat(drawn).with_columns(serial=pl.int_range(first_serial, first_serial + count, dtype=pl.Int64))

    def _fast_clicks(
        self, generator: np.random.Generator, primary: pl.DataFrame, fast_readers: list[tuple[int, ...]]
    ) -> pl.DataFrame:
        """Let people who clicked a link click a few others within seconds."""
        urls, mailboxes = self.campaign.urls, self.campaign.messages.mailboxes
        is_isolated = mailboxes.are_isolated[primary["recipient"].to_numpy()]
        clicks = np.flatnonzero((primary["kind"].to_numpy() == CLICK) & ~is_isolated)
        chosen = clicks[generator.integers(0, clicks.size, len(fast_readers))]
        first = primary[np.repeat(chosen, [len(steps) for steps in fast_readers])]
        step = np.concatenate(fast_readers)
        delivery, link = np.divmod(first["url"].to_numpy(), len(urls.links))
        for part in ("html", "text"):
            of_part = first["is_text"].to_numpy() == (part == "text")
            links = urls.places(URL_TYPES[CLICK], part)
            link[of_part] = links[(np.searchsorted(links, link[of_part]) + step[of_part]) % links.size]
        ticks = step * generator.integers(90, 600, step.size)
        return first.with_columns(
            at=pl.col("at") + pl.Series(ticks),
            url=pl.Series(delivery * len(urls.links) + link),
            origin=pl.lit(FAST, pl.Int64),
        )

    def _with_visits(self, number: int, begin: int, end: int, first_serial: int, drawn: pl.DataFrame) -> pl.DataFrame:
        """Add the visits that begin in the slice, and say of all events who is behind them."""
        recipient, kind, device = (drawn[name].to_numpy() for name in ("recipient", "kind", "device"))
        mailboxes = self.campaign.messages.mailboxes
        actor = actors_of_people(mailboxes, recipient, kind == OPEN, device < FORWARDED)
        drawn = drawn.with_columns(actor=pl.Series(actor), visit=pl.lit(-1, pl.Int64))
        bounds = [(self._origin + step * STEP_SECONDS) * TICKS for step in (begin, end)]
        visiting = self._visits.between(bounds, first_serial + drawn.height, number)
        return pl.concat([drawn, visiting.select(drawn.columns)])

    def _primaries(
        self, generator: np.random.Generator, begin: int, end: int, first_serial: int, count: int
    ) -> pl.DataFrame:
        deliveries, messages, options = self.campaign.deliveries, self.campaign.messages, self.campaign.options
        density = self._density[:, begin:end]
        # Only visits may begin in a slice, and then its density is 0.
        cells = generator.multinomial(count, density.ravel() / max(density.sum(), _LEAST))
        cell = np.repeat(np.arange(density.size), cells)
        delivery, step = np.divmod(cell, density.shape[1])
        ticks = generator.integers(0, STEP_SECONDS * TICKS, count)
        serial = first_serial + np.arange(count)

        kind = self._kinds(generator, delivery)
        rank = (deliveries.reached_counts[delivery] * generator.random(count) ** 1.8).astype(np.int64)
        message = deliveries.first_messages[delivery] + rank
        # A text body holds neither pixel nor mirror page: the neighbour, who got HTML, reacts instead.
        message -= np.isin(kind, _HTML_ONLY) & messages.is_text[message]
        message = self._seen_openers(serial, kind, message) if options.has("prefetches") else message
        is_text = messages.is_text[message]
        url = self._urls(generator, delivery, kind, is_text)

        message = self._stray_messages(serial, delivery, message)
        url, kind = self._stray_urls(serial, delivery, url, kind)
        device = np.searchsorted([0.78, 0.96], generator.random(count))
        return pl.DataFrame(
            {
                "at": (self._origin + (begin + step) * STEP_SECONDS) * TICKS + ticks,
                "serial": serial,
                "delivery": delivery,
                "message": message,
                "recipient": messages.recipients[message],
                "kind": kind,
                "url": url,
                "device": device if options.has("forwards") else np.minimum(device, FORWARDED - 1),
                "uuid_kind": self._uuid_kinds(generator, kind),
                "is_text": is_text,
                **drawn_parameters(generator, kind == TRANSACTION, kind == WEB, odd=options.has("odd_parameters")),
                "origin": np.full(count, PRIMARY),
            }
        )

    def _seen_openers(self, serial: Integers, kind: Integers, message: Integers) -> Integers:
        """Let somebody else open where a mail app has the pictures already, but for a few who also read elsewhere."""
        is_unseen = (kind == OPEN) & (fractions(serial, self.campaign.options.seed + 81) >= _ELSEWHERE_SHARE)
        return np.where(is_unseen, self.campaign.messages.nearest_seen[message], message)

    def _kinds(self, generator: np.random.Generator, delivery: Integers) -> Integers:
        """Draw kinds; some deliveries are clicked more than others, and a text holds nothing that opens."""
        deliveries, options = self.campaign.deliveries, self.campaign.options
        shares = np.tile(_KIND_SHARES, (deliveries.count, 1))
        shares[:, CLICK] *= 0.6 + 0.8 * fractions(deliveries.ids, options.seed + 1)
        shares[deliveries.is_text_only[:, None] & np.isin(range(len(KINDS)), _HTML_ONLY)] = 0
        for kind, url_types in URL_TYPES.items():
            if not self.campaign.urls.places(url_types, "html").size:
                shares[:, kind] = 0
        bounds = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
        drawn = generator.random(delivery.size)
        return np.asarray(sum((drawn >= bounds[delivery, kind]).astype(np.int64) for kind in range(len(KINDS) - 1)))

    def _urls(self, generator: np.random.Generator, delivery: Integers, kind: Integers, is_text: Flags) -> Integers:
        urls = self.campaign.urls
        url = np.full(kind.size, OPEN_PIXEL, dtype=np.int64)
        drawn = generator.random(kind.size)
        for code, url_types in URL_TYPES.items():
            for part in ("html", "text"):
                links = urls.places(url_types, part)
                places = np.flatnonzero((kind == code) & (is_text == (part == "text")))
                # Web and transaction pages lie outside the body: a reader of text reaches the same ones.
                links = links if links.size else urls.places(url_types, "html")
                if not places.size:
                    continue
                popularity = np.cumsum(1 / np.arange(1, links.size + 1))
                chosen = np.searchsorted(popularity[:-1], drawn[places] * popularity[-1], side="right")
                url[places] = delivery[places] * len(urls.links) + links[chosen]
        return url

    def _stray_messages(self, serial: Integers, delivery: Integers, message: Integers) -> Integers:
        """Let one event of a few hundred name a message that is none of its delivery."""
        messages, has = self.campaign.messages, self.campaign.options.has
        message = message.copy()
        for trait, kind, every, phase in (
            ("unknown_messages", UNKNOWN_MESSAGE, 400, 117),
            ("zero_messages", ZERO_MESSAGE, 400, 217),
            ("foreign_messages", FOREIGN_MESSAGE, 2_000, 999),
        ):
            if has(trait) and (kind != FOREIGN_MESSAGE or self.campaign.deliveries.count > 1):
                chosen = serial % every == phase
                message[chosen] = messages.strays(delivery[chosen], kind, serial[chosen] // every)
        return message

    def _stray_urls(
        self, serial: Integers, delivery: Integers, url: Integers, kind: Integers
    ) -> tuple[Integers, Integers]:
        """Let one event of a few hundred name a URL that is none of its delivery."""
        urls, has = self.campaign.urls, self.campaign.options.has
        can_be_foreign = urls.exists.any(axis=1).sum() > 1
        url, kind = url.copy(), kind.copy()
        for trait, stray, every, phase in (
            ("unknown_urls", UNKNOWN_URL, 400, 317),
            ("foreign_urls", FOREIGN_URL, 2_000, 1_499),
        ):
            if has(trait) and (stray != FOREIGN_URL or can_be_foreign):
                chosen = serial % every == phase
                url[chosen], kind[chosen] = urls.strays(delivery[chosen], stray), UNKNOWN
        return url, kind

    def _uuid_kinds(self, generator: np.random.Generator, kind: Integers) -> Integers:
        """Opens seldom carry a UUID, other reactions nearly always do; some readers refuse cookies (spec §1.1)."""
        drawn = generator.random(kind.size)
        single = NO_COOKIES if self.campaign.options.has("cookieless_readers") else COOKIE
        of_opens = np.select([drawn < 0.84, drawn < 0.95], [NO_UUID, COOKIE], single)
        of_others = np.select([drawn < 0.01, drawn < 0.93], [NO_UUID, COOKIE], single)
        return np.where(kind == OPEN, of_opens, of_others)
