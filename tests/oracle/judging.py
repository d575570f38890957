"""Which events count (design §5): among all, and among those of people."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from tests.oracle.actors import REASONS, Actor, Observed, actors
from tests.oracle.rules import Rules

SCHEMA: dict[str, pl.DataType] = {
    "event_id": pl.String(),
    "is_counted": pl.Boolean(),
    "human_is_counted": pl.Boolean(),
    "actor_class": pl.String(),
    "actor_reason": pl.String(),
    "is_automatic": pl.Boolean(),
}


def judgements(events: Sequence[Observed], rules: Rules) -> pl.DataFrame:
    """Return one row per event, given in the order of time, source, prefix and counter, with the columns of `SCHEMA`."""
    who = actors(events, rules)
    is_automatic = [actor.actor_class in rules.automatic_classes for actor in who]
    counted = _counted(events, rules)
    people = [event for event, automatic in zip(events, is_automatic, strict=True) if not automatic]
    human_counted = _counted(people, rules) if rules.people_have_duplicates_of_their_own else counted
    rows = [
        (
            event.event_id,
            event.event_id in counted,
            event.event_id in human_counted and not automatic,
            actor.actor_class,
            _named(actor, rules),
            automatic,
        )
        for event, actor, automatic in zip(events, who, is_automatic, strict=True)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _named(actor: Actor, rules: Rules) -> str:
    reasons = [reason for reason in REASONS if reason in actor.reasons]
    return " ".join(reasons if rules.every_reason_is_named else reasons[:1])


def _counted(events: Iterable[Observed], rules: Rules) -> set[str]:
    return set(_kept(events, rules))


def _kept(events: Iterable[Observed], rules: Rules) -> Iterator[str]:
    """Yield the ids of what counts: an open within the window of the last kept one does not."""
    window = timedelta(microseconds=rules.open_window_microseconds)
    starts: dict[Any, datetime] = {}
    for event in events:
        if event.url_id != 1 or (event.message_id == 0 and rules.opens_without_message_are_kept):
            yield event.event_id
            continue
        key = (event.delivery_id if rules.open_window_is_per_delivery else 0, event.message_id)
        is_kept = key not in starts or event.occurred_at - starts[key] >= window
        if is_kept or not rules.open_window_starts_at_kept:
            starts[key] = event.occurred_at
        if is_kept or not rules.opens_are_deduplicated:
            yield event.event_id
