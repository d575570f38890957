"""What one load did, for the command line and for Airflow."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FailedFile:
    """A file of which nothing counts, and why."""

    file_name: str
    reason: str


@dataclass
class LoadSummary:
    """Sums over the pulls of one load; `line_count = accepted + rejected + already_loaded + erased`.

    Counts are of lines (tracking logs), or of rows and message bodies (reference data). Failed files count in
    `failed_files` only.
    """

    source: str
    server: str = ""
    files: int = 0
    """Files of which something was read."""
    line_count: int = 0
    accepted: int = 0
    rejected: int = 0
    already_loaded: int = 0
    erased: int = 0
    unfinished: int = 0
    """Files whose last line is not finished yet; it waits and is counted nowhere."""
    ignored: int = 0
    """Files met for the first time that are not named like what is read in their folder."""
    reject_reasons: Counter[str] = field(default_factory=Counter)
    """Reason code → rejected lines."""
    failed_files: list[FailedFile] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    """What will be lost unless somebody does something."""

    @property
    def is_new(self) -> bool:
        """Whether something was accepted that the warehouse did not have."""
        return self.accepted > 0


def total(source: str, server: str, summaries: Iterable[LoadSummary]) -> LoadSummary:
    """Add summaries up into one of this source and server, either of which may be ''."""
    result = LoadSummary(source, server)
    for summary in summaries:
        for name in (
            "files",
            "line_count",
            "accepted",
            "rejected",
            "already_loaded",
            "erased",
            "unfinished",
            "ignored",
        ):
            setattr(result, name, getattr(result, name) + getattr(summary, name))
        result.reject_reasons.update(summary.reject_reasons)
        result.failed_files.extend(summary.failed_files)
        result.warnings.extend(summary.warnings)
        result.alarms.extend(summary.alarms)
    return result
