"""Where the inputs of one source lie (design §4.2)."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class SourceFolder:
    """A folder with `logs/<server>/0x*.log[.gz]`, `exports/<table>.csv[.gz]|.parquet` and `contents/<delivery_id>.html|.txt`."""

    name: str
    path: Path
    reject_limit: float = 0.2
    time_zone: str = "UTC"


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the naive UTC time of a naive local one, as PostgreSQL's `at time zone` does.

    A time that exists twice or never is read with the smaller offset: standard time after a fall back, the time before
    a spring forward.
    """
    offsets = [local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)]
    return local - min(offset for offset in offsets if offset is not None)
