"""What visits do: their lines, made slice by slice."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from message_tracking.sample.actors import PREFETCH, SCANNER, actors_of_people
from message_tracking.sample.campaign import Campaign
from message_tracking.sample.deliveries import STEP_SECONDS, Flags, Integers
from message_tracking.sample.events import (
    COOKIE,
    FAST,
    NO_COOKIES,
    NO_UUID,
    OF_MACHINE,
    OPEN,
    OPEN_PIXEL,
    PRIMARY,
    TICKS,
    URL_TYPES,
)
from message_tracking.sample.hashing import fractions
from message_tracking.sample.parameters import NONE
from message_tracking.sample.profiles import Profile
from message_tracking.sample.tracked_urls import TrackedUrls
from message_tracking.sample.visit_plan import PREFETCHING, QUICK, SCAN_AT_CLICK, VisitPlan, in_ticks

_PIXEL = -1
"""Stands for no link but the open pixel."""


@dataclass(frozen=True)
class Visits:
    """All visits of a campaign."""

    campaign: Campaign

    @cached_property
    def _plan(self) -> VisitPlan:
        return VisitPlan(self.campaign)

    @property
    def line_count(self) -> int:
        """Lines of all visits."""
        return int(self._plan.rows["line_count"].sum())

    def lines_per_step(self, origin: int, steps: int) -> Integers:
        """Lines of the visits that begin in each of so many steps of the clock."""
        begin, line_count = (self._plan.rows[name].to_numpy() for name in ("start", "line_count"))
        step = (begin // TICKS - origin) // STEP_SECONDS
        return np.bincount(step, weights=line_count, minlength=steps).astype(np.int64)

    def between(self, bounds: list[int], first_serial: int, slice_number: int) -> pl.DataFrame:
        """All events of the visits that begin between two times: columns as in `Reactions.chunks()`."""
        messages, urls = self.campaign.messages, self.campaign.urls
        generator = np.random.default_rng([self.campaign.options.seed, 12, slice_number])
        first, last = np.searchsorted(self._plan.rows["start"].to_numpy(), bounds)
        plan = self._plan.rows.slice(first, last - first)
        place, link, at, is_by_person = self._steps(generator, plan)
        what, message, visit = (plan[name].to_numpy()[place] for name in ("what", "message", "visit"))
        delivery, recipient, is_open = messages.deliveries[message], messages.recipients[message], link == _PIXEL
        by_people = actors_of_people(messages.mailboxes, recipient, is_open, is_by_person)
        keeps_cookies = fractions(visit, self.campaign.options.seed + 82) < self._profile.cookie_share
        # _PIXEL stands for the last one.
        kinds = np.append(_kinds_of(urls), OPEN)
        return pl.DataFrame(
            {
                "at": at,
                "serial": first_serial + np.arange(at.size),
                "delivery": delivery,
                "message": message,
                "recipient": recipient,
                "kind": kinds[link],
                "url": np.where(is_open, OPEN_PIXEL, delivery * len(urls.links) + link),
                "device": np.where(is_by_person, 0, OF_MACHINE),
                "uuid_kind": np.select([is_open, is_by_person | keeps_cookies], [NO_UUID, COOKIE], NO_COOKIES),
                "is_text": messages.is_text[message],
                "parameters": np.full(at.size, NONE),
                "cents": np.zeros(at.size, dtype=np.int64),
                "articles": np.zeros(at.size, dtype=np.int64),
                "origin": np.where(what == QUICK, FAST, PRIMARY),
                "actor": np.where(is_by_person, by_people, np.where(what == PREFETCHING, PREFETCH, SCANNER)),
                "visit": np.where(is_by_person, -1, visit),
            }
        )

    def _steps(self, generator: np.random.Generator, plan: pl.DataFrame) -> tuple[Integers, Integers, Integers, Flags]:
        """Visit (row of the plan), link (or _PIXEL), time and whether a person did it, for each event of each visit."""
        start, what, message, click_count = (
            plan[name].to_numpy() for name in ("start", "what", "message", "click_count")
        )
        is_at_click = what == SCAN_AT_CLICK
        links = self._plan.links_of(message, what)
        keys = np.where(links, generator.random(links.shape), 2.0)
        # The link that a person clicks is one that people see, and the first one that is scanned then.
        clicked = np.where(self._plan.links_of(message, np.full(what.size, QUICK)), keys, 2.0).argmin(axis=1)
        keys[np.flatnonzero(is_at_click), clicked[is_at_click]] = -1
        rank = keys.argsort(axis=1).argsort(axis=1)
        is_followed = rank < (click_count - is_at_click)[:, None]

        in_body_order = (generator.random(what.size) < self._profile.in_body_order_share) & ~is_at_click
        place = np.where(in_body_order[:, None], np.cumsum(is_followed, axis=1) - 1, rank)
        after = np.take_along_axis(self._times(generator, what, links.shape[1]), place.clip(0), axis=1)
        least, most = in_ticks(self._profile.lead_range)
        of_people = generator.uniform(80, 250, what.size)
        of_machines = generator.uniform(least, most, what.size)
        lead = np.where(what == QUICK, of_people, of_machines)
        lead = (lead * (plan["opens"].to_numpy() | is_at_click)).astype(np.int64)

        visit, link = np.nonzero(is_followed)
        opening, clicking = np.flatnonzero(plan["opens"].to_numpy()), np.flatnonzero(is_at_click)
        # The gateway looks before it lets the browser through, or while it does.
        let_through = np.where(generator.random(clicking.size) < 0.5, 0, lead[clicking] + 150)
        return (
            np.concatenate([opening, clicking, visit]),
            np.concatenate([np.full(opening.size, _PIXEL), clicked[clicking], link]),
            np.concatenate([start[opening], start[clicking] + let_through, (start + lead)[visit] + after[visit, link]]),
            np.concatenate([what[opening] == QUICK, np.full(clicking.size, True), what[visit] == QUICK]),
        )

    @property
    def _profile(self) -> Profile:
        return self.campaign.options.profile

    def _times(self, generator: np.random.Generator, what: Integers, count: int) -> Integers:
        """Hundredths of a second from the first click of each visit to the first, second, ... of it."""
        profile = self._profile
        pace = generator.lognormal(np.log(profile.pace * TICKS), profile.pace_spread, what.size)[:, None]
        least, most = in_ticks(profile.step_range)
        steps = generator.lognormal(0, profile.step_spread, (what.size, count))
        of_machines = (pace * steps).clip(least, most)
        of_people = generator.uniform(120, 800, (what.size, count))
        gaps = np.where((what == QUICK)[:, None], of_people, of_machines).astype(np.int64)
        gaps[:, 0] = 0
        return np.cumsum(gaps, axis=1)


def _kinds_of(urls: TrackedUrls) -> Integers:
    """What following each link is."""
    kind_of_type = {url_type: kind for kind, url_types in URL_TYPES.items() for url_type in url_types}
    return np.array([kind_of_type[link.type] for link in urls.links])
