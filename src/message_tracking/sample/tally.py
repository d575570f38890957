"""Counts of what a sample really holds, for checks that compare."""

import numpy as np
import numpy.typing as npt
import polars as pl

from message_tracking.sample.actors import ACTORS, IMAGE_PROXY, PERSON, PREFETCH, SCANNER
from message_tracking.sample.campaign import Campaign
from message_tracking.sample.deliveries import Flags, Integers
from message_tracking.sample.events import (
    CLICK,
    DEVICES,
    EDGE,
    FAST,
    FORWARDED,
    KINDS,
    NO_COOKIES,
    NO_UUID,
    OPEN,
    REPEAT,
)
from message_tracking.sample.lines import CORRUPTIONS
from message_tracking.sample.mailboxes import GATEWAY_NETWORKS
from message_tracking.sample.messages import FOREIGN_MESSAGE, MESSAGE_STRAYS, SENT, UNKNOWN_MESSAGE, ZERO_MESSAGE
from message_tracking.sample.tracked_urls import FOREIGN_URL, UNKNOWN_URL, URL_STRAYS

DUPLICATE_TICKS = 6_000
"""An open nearer than this to the last kept one of its message is a duplicate (spec §8.24); hundredths of a second."""

_NEVER = -(2**62)
_TIME_BITS = 28
"""Enough for the hundredths of a second of a sample's weeks."""

_TRAITS: dict[str, pl.Expr] = {
    "odd_parameters": pl.col("parameters") >= 0,
    "forwards": pl.col("device") == FORWARDED,
    "cookieless_readers": (pl.col("uuid_kind") == NO_COOKIES) & (pl.col("device") <= FORWARDED),
    "uuid_cases": pl.col("is_upper_case"),
    "repeated_reactions": pl.col("origin") == REPEAT,
    "edge_opens": pl.col("origin") == EDGE,
    "fast_readers": pl.col("origin") == FAST,
    "late_events": pl.col("is_late"),
    "proxy_chains": pl.col("has_proxy"),
    "crlf_lines": pl.col("has_crlf"),
    "non_utf8_bytes": pl.col("is_not_utf8"),
}
"""Which events show a trait that a column tells of."""
_ACTOR_TRAITS: dict[str, pl.Expr] = {
    "prefetches": pl.col("actor") == PREFETCH,
    "image_proxies": pl.col("actor") == IMAGE_PROXY,
    "scanners": pl.col("actor") == SCANNER,
    "isolation_browsers": (pl.col("actor") == PERSON) & pl.col("network").is_in(GATEWAY_NETWORKS),
}
"""The same for columns that are only there where people and machines are told apart."""


class Tally:
    """Takes in the events chunk by chunk, the chunks in the order of time; only what stands in good lines counts."""

    def __init__(self, campaign: Campaign) -> None:
        deliveries, messages = campaign.deliveries.count, campaign.messages.count_with_strays
        self._campaign = campaign
        # Id 0 is no message: nobody is counted, and its opens are no duplicates of each other (design §4.3).
        self._is_message = campaign.messages.ids != 0
        self._corrupted = np.zeros(len(CORRUPTIONS) + 1, dtype=np.int64)
        self._kinds = np.zeros((deliveries, len(KINDS)), dtype=np.int64)
        self._urls = np.zeros(campaign.urls.ids.size, dtype=np.int64)
        self._messages = np.zeros(messages, dtype=np.int64)
        self._shows = _TRAITS | (_ACTOR_TRAITS if campaign.options.has_actors else {})
        self._traits = dict.fromkeys(_TRAITS | _ACTOR_TRAITS, 0)
        self._actors = np.zeros(len(ACTORS), dtype=np.int64)
        self._duplicates = np.zeros(deliveries, dtype=np.int64)
        self._withdrawn_count = 0
        self._cents = np.zeros(deliveries, dtype=np.int64)
        self._articles = np.zeros(deliveries, dtype=np.int64)
        self._single_clickers = np.zeros(deliveries, dtype=np.int64)
        self._origin = int(campaign.deliveries.contact_seconds.min()) * 100
        self._last_kept = np.full(messages, _NEVER, dtype=np.int64)
        self._has_clicked = np.zeros(messages, dtype=np.bool_)
        self._device_clicked = np.zeros(messages * DEVICES, dtype=np.bool_)

    @property
    def corrupted_count(self) -> int:
        """Corrupted lines so far."""
        return int(self._corrupted[1:].sum())

    def add(self, events: pl.DataFrame) -> None:
        """Count the next events: columns as in `Reactions.chunks()` and `with_marks`, with `corruption`."""
        self._corrupted += np.bincount(events["corruption"].to_numpy(), minlength=self._corrupted.size)
        events = events.filter(pl.col("corruption") == 0)
        delivery, message, kind = (events[name].to_numpy() for name in ("delivery", "message", "kind"))
        self._kinds += np.bincount(delivery * len(KINDS) + kind, minlength=self._kinds.size).reshape(self._kinds.shape)
        self._cents += _sums(delivery, events["cents"].to_numpy(), self._cents.size)
        self._articles += _sums(delivery, events["articles"].to_numpy(), self._articles.size)
        url = events["url"].to_numpy()
        self._urls += np.bincount(url[url >= 0], minlength=self._urls.size)
        self._messages += np.bincount(message, minlength=self._messages.size)
        shown = events.select(shows.sum().alias(trait) for trait, shows in self._shows.items()).row(0, named=True)
        self._traits = {trait: count + shown.get(trait, 0) for trait, count in self._traits.items()}
        if self._campaign.options.has_actors:
            self._actors += np.bincount(events["actor"].to_numpy(), minlength=len(ACTORS))
        self._add_withdrawn(events)
        self._add_clicks(events.select("kind", "delivery", "message", "device", "uuid_kind").filter(kind=CLICK))
        is_open = (kind == OPEN) & self._is_message[message]
        self._add_opens(message[is_open], events["at"].to_numpy()[is_open])

    def _add_withdrawn(self, events: pl.DataFrame) -> None:
        if self._campaign.options.has("consents"):
            recipient, at = events["recipient"].to_numpy(), events["at"].to_numpy()
            self._withdrawn_count += int(self._campaign.consents.are_withdrawn(recipient, at).sum())

    def _add_clicks(self, clicks: pl.DataFrame) -> None:
        message, uuid_kind = clicks["message"].to_numpy(), clicks["uuid_kind"].to_numpy()
        self._has_clicked[message] = True
        with_cookie = ~np.isin(uuid_kind, [NO_UUID, NO_COOKIES])
        self._device_clicked[(message * DEVICES + clicks["device"].to_numpy())[with_cookie]] = True
        single = clicks["delivery"].to_numpy()[uuid_kind == NO_COOKIES]
        self._single_clickers += np.bincount(single, minlength=self._single_clickers.size)

    def _add_opens(self, message: Integers, at: Integers) -> None:
        """Each round looks at the first open left of every message; those too near to a kept one drop out."""
        # Sorted by message and time, both in one number: that is much faster.
        keys = np.sort((message << _TIME_BITS) + at - self._origin)
        message, at = keys >> _TIME_BITS, (keys & (2**_TIME_BITS - 1)) + self._origin
        delivery_of = self._campaign.messages.deliveries
        while True:
            is_duplicate = at < self._last_kept[message] + DUPLICATE_TICKS
            dropped = delivery_of[message[is_duplicate]]
            self._duplicates += np.bincount(dropped, minlength=self._duplicates.size)
            message, at = message[~is_duplicate], at[~is_duplicate]
            if not message.size:
                return
            is_first = np.concatenate([[True], message[1:] != message[:-1]])
            self._last_kept[message[is_first]] = at[is_first]
            message, at = message[~is_first], at[~is_first]

    def described(self) -> dict[str, object]:
        """The counts, as planted.json holds them.

        `<kind>_count` are events in good lines, repeated opens included; the other figures of a delivery mean what
        they mean in its marts. `actors` counts good lines by who is behind them, where that is told apart. Whether
        the recipient refused to be tracked is left aside, but for `withdrawn_event_count`, which counts the events in
        good lines while that was so.
        """
        actors = dict(zip(ACTORS, self._actors.tolist(), strict=True))
        return {
            "line_count": int(self._corrupted.sum()),
            "good_line_count": int(self._corrupted[0]),
            "corrupted_line_count": self.corrupted_count,
            "corrupted_lines": dict(zip(CORRUPTIONS, self._corrupted[1:].tolist(), strict=True)),
            "events": dict(zip(KINDS, self._kinds.sum(axis=0).tolist(), strict=True)),
            **({"actors": actors} if self._campaign.options.has_actors else {}),
            "duplicate_open_count": int(self._duplicates.sum()),
            "withdrawn_event_count": self._withdrawn_count,
            "deliveries": self._described_deliveries(),
            "url_clicks": self._described_urls(),
        }

    def traits(self) -> dict[str, int]:
        """How many good lines show each trait of events."""
        messages = self._messages[self._campaign.messages.count :].reshape(-1, MESSAGE_STRAYS).sum(axis=0)
        urls = self._urls[self._campaign.urls.count :].reshape(-1, URL_STRAYS).sum(axis=0)
        return self._traits | {
            "zero_messages": int(messages[ZERO_MESSAGE]),
            "unknown_messages": int(messages[UNKNOWN_MESSAGE:FOREIGN_MESSAGE].sum()),
            "foreign_messages": int(messages[FOREIGN_MESSAGE:].sum()),
            "unknown_urls": int(urls[UNKNOWN_URL]),
            "foreign_urls": int(urls[FOREIGN_URL]),
        }

    def _described_urls(self) -> dict[str, int]:
        urls = self._campaign.urls
        places = np.flatnonzero(urls.exists)
        return dict(zip(map(str, urls.ids[places].tolist()), self._urls[places].tolist(), strict=True))

    def _described_deliveries(self) -> dict[str, dict[str, object]]:
        deliveries, messages = self._campaign.deliveries, self._campaign.messages
        succeeded = (messages.statuses == SENT) & ~messages.is_seed
        people = self._device_clicked.reshape(-1, DEVICES).sum(axis=1)
        figures: dict[str, npt.NDArray[np.generic]] = {
            "is_described": ~deliveries.are("undescribed_deliveries"),
            "is_proof": deliveries.are("proofs"),
            "message_count": deliveries.message_counts,
            "exclusion_count": deliveries.rejected_counts * deliveries.options.has("exclusions"),
            "success_count": self._per_delivery(succeeded),
            **{f"{kind}_count": self._kinds[:, place] for place, kind in enumerate(KINDS)},
            "duplicate_open_count": self._duplicates,
            "recipient_open_count": self._per_delivery((self._messages > 0) & self._is_message),
            "recipient_click_count": self._per_delivery(self._has_clicked & self._is_message),
            "person_click_count": self._per_delivery(people) + self._single_clickers,
            "article_count": self._articles,
        }
        return {
            str(delivery_id): {name: values[place].item() for name, values in figures.items()}
            | {"transaction_amount": f"{self._cents[place] // 100}.{self._cents[place] % 100:02d}"}
            for place, delivery_id in enumerate(deliveries.ids)
        }

    def _per_delivery(self, per_message: Flags | Integers) -> Integers:
        of = self._campaign.messages.deliveries[: per_message.size]
        return _sums(of, per_message, self._campaign.deliveries.count)


def _sums(groups: Integers, values: Flags | Integers, size: int) -> Integers:
    return np.bincount(groups, weights=values, minlength=size).round().astype(np.int64)
