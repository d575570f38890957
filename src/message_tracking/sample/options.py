"""What a sample is made of: the same options give the same bytes."""

import datetime
import string
from dataclasses import dataclass, replace

from message_tracking.errors import ConfigurationError
from message_tracking.sample.profiles import DEFAULT_PROFILE, PROFILES, Profile, check_profile
from message_tracking.sample.traits import ACTOR_TRAITS, TRAITS, check_traits

PREFIXES = "56789" + string.ascii_letters
"""One prefix character of the log id for each server (spec §2.2, field 1)."""


@dataclass(frozen=True)
class SampleOptions:
    """Size, seed and time of a sample.

    Raises ConfigurationError where a value is out of its range.
    """

    lines: int = 50_000
    """Log lines in all files together, the corrupted ones included."""
    seed: int = 1
    number: int = 0
    """Campaigns of two numbers share no id of a delivery, message, URL or log line: both go into one warehouse."""
    deliveries: int = 8
    """Ordinary deliveries; traits turn the second one into a proof and add small ones."""
    servers: int = 3
    start: datetime.date = datetime.date(2026, 1, 5)
    """Everything happens in the weeks before midnight UTC of this day."""
    gzip_share: float = 0.3
    """Share of the log files that are gzipped, 0 to 1."""
    corrupted_share: float = 0.002
    """Share of the lines that are corrupted, 0 to 1."""
    without: frozenset[str] = frozenset()
    """Names of TRAITS that are left out."""
    actors_file: bool = False
    """Whether to write who was behind each good line, where that was planted."""
    actors_profile: str = DEFAULT_PROFILE
    """Name of the PROFILES by which machines behave, and the people who are hard to tell from them."""

    def __post_init__(self) -> None:
        """Check the names and ranges."""
        check_traits(self.without)
        check_profile(self.actors_profile)
        today = datetime.datetime.now(datetime.UTC).date()
        ranges = {
            "lines": (self.lines, 1, 2**31),
            "seed": (self.seed, 0, 2**63 - 1),
            "number": (self.number, 0, 60),
            "deliveries": (self.deliveries, 1, 1_000),
            "servers": (self.servers, 1, len(PREFIXES)),
            "gzip-share": (self.gzip_share, 0, 1),
            "corrupted-share": (self.corrupted_share, 0, 1),
            "start": (self.start, datetime.date(2001, 1, 1), today),
        }
        for name, (value, lowest, highest) in ranges.items():
            if not lowest <= value <= highest:  # type: ignore[operator]
                raise ConfigurationError(
                    f"--{name} {value} is out of range.", f"Choose a value from {lowest} to {highest}."
                )

    def has(self, trait: str) -> bool:
        """Whether a trait is planted."""
        return trait not in self.without

    @property
    def profile(self) -> Profile:
        """The numbers of its actors."""
        return PROFILES[self.actors_profile]

    @property
    def has_actors(self) -> bool:
        """Whether anything is planted that tells people and machines apart."""
        return not self.without >= ACTOR_TRAITS

    def plain(self) -> "SampleOptions":
        """A sample of this size that nothing makes hard to read: what is written fastest."""
        return replace(self, gzip_share=0.0, corrupted_share=0.0, without=frozenset(TRAITS))

    def described(self) -> dict[str, object]:
        """The options as planted.json holds them: the default profile goes without saying, as in older samples."""
        described = {**vars(self), "start": self.start.isoformat(), "without": sorted(self.without)}
        if self.actors_profile == DEFAULT_PROFILE:
            del described["actors_profile"]
        return described
