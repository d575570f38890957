"""Dialects: what senders other than Campaign write, line by line, and what it means here (docs/sources.md).

A dialect is a class. The sources file names it, a built-in one by its name, any other as `module:Class`; the loader
knows this page and nothing of the dialects themselves.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, ClassVar

import polars as pl

CAMPAIGN = "campaign"
"""Campaign's own tracking logs, which no class reads: they are what the loader is made for."""

BUILT_IN = {"ses": "message_tracking.dialects.ses:SesEvents"}
"""Name → where the class is."""


@dataclass(frozen=True)
class Reading:
    """What a dialect may need to know of the load that it reads for."""

    loaded_at: datetime
    person_key: str
    """The warehouse's secret: part of the hash of whatever names a person, so that nobody finds them by guessing."""


@dataclass(frozen=True)
class DialectLines:
    """What some lines say. Each line is either in `accepted` or in `rejected`."""

    accepted: pl.DataFrame
    """`line`, and `event_key`, a text that the provider's event has alone: lines with the same one are one event."""
    events: pl.DataFrame
    """Reactions, at most one of a line: `line`, `occurred_at` (microseconds, UTC), `message_id`, `delivery_id` and
    `url_id` (1 is an open). May hold the texts of `raw.events` too: `user_agent`, `client_ip`, `parameters`,
    `requester_uuid`, `requester_type`, `field_6`; those that are left out are ''. `field_12` is the provider's own id,
    or null."""
    rejected: pl.DataFrame
    """`line` and `reason`, a code."""
    rows: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Reference data by table, in columns of REFERENCE_TABLES; a column that is left out is empty. Of a row that says
    when it was modified the newest version counts, whatever comes first. A row that does not is taken where its key is
    not known yet; of such a delivery the earliest `contact_at` counts, and `to_deliver_count` is the number of its
    messages, whose rows come in the same lines or after it."""


class Dialect(ABC):
    """Reads the lines of one source. What it makes of a line depends on the line, its options and the key alone."""

    reject_reasons: ClassVar[Mapping[str, str]] = {}
    """Code → what it means."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take `dialect_options` of the sources file. Raises ValueError where one of them cannot be used."""
        if options:
            raise ValueError(f"the dialect has no option {next(iter(options))!r}")

    @abstractmethod
    def read(self, lines: pl.DataFrame, reading: Reading) -> DialectLines:
        """Judge lines: `line`, a number, and `text`, which is neither empty nor has a line feed."""


def make_dialect(name: str, options: Mapping[str, Any]) -> Dialect | None:
    """Make a dialect, None for Campaign's own logs. Raises ValueError where an option cannot be used."""
    if name != CAMPAIGN:
        return find_dialect(name)(options)
    if options:
        raise ValueError("Campaign's own logs have no options")
    return None


def find_dialect(name: str) -> type[Dialect]:
    """Return the class of that name. Raises ValueError, which says what is wrong."""
    module, colon, attribute = BUILT_IN.get(name, name).partition(":")
    if not colon:
        known = ", ".join(sorted({CAMPAIGN, *BUILT_IN}))
        raise ValueError(f"there is no dialect {name!r}: it is {known}, or module:Class of your own")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:
        raise ValueError(f"the dialect {name!r} cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Dialect)):
        raise ValueError(f"{name!r} is no class derived from message_tracking.dialects.Dialect")
    return found
