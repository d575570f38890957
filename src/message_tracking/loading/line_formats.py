"""What the loader asks of the lines of a source: Campaign's own, or a dialect's."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from message_tracking.dialects import Dialect, Reading
from message_tracking.loading.dialect_lines import (
    EMPTY_LINE,
    NOT_UTF8,
    DialectWriter,
    read_dialect_block,
    read_person_key,
)
from message_tracking.loading.events import Catalog, EventWriter
from message_tracking.loading.ledger import FileKey, PullRecord
from message_tracking.parsing.reading import ReadBlock, read_block
from message_tracking.parsing.tracking_log import REJECT_REASONS
from message_tracking.sources import Source

Reader = Callable[[bytes], ReadBlock]
"""Judges the lines of a block."""


class LineFormat(Protocol):
    """How the lines of a source are judged and taken in."""

    goes_side_by_side: bool
    """Whether several files of a server may be loaded at once."""
    is_complete: bool
    """Whether nobody appends to a file that is there."""
    why_ignored: str
    """What is said of files with other names."""

    def reader(self, loaded_at: datetime) -> Reader:
        """Return what judges the blocks of a load that began then."""
        ...

    def writer(self, cursor: Cursor, catalog: Catalog, file: FileKey, load_id: int, record: PullRecord) -> EventWriter:
        """Return what takes the lines of one pull in."""
        ...


class CampaignLines:
    """Tracking logs."""

    goes_side_by_side = True
    is_complete = False
    why_ignored = "The name is not 0x<16 hex digits>.log or .log.gz, or not what `logs` asks for."
    writer = EventWriter

    def __init__(self, time_zone: str) -> None:
        self._time_zone = time_zone

    def reader(self, loaded_at: datetime) -> Reader:
        """Return what judges blocks by the log's grammar."""
        return partial(read_block, time_zone=self._time_zone, loaded_at=loaded_at)


class DialectFormat:
    """Objects of another sender. Each of their ids is looked up, so that two files wait for each other anyhow."""

    goes_side_by_side = False
    is_complete = True
    why_ignored = "The name is not what `logs` asks for."
    writer = DialectWriter

    def __init__(self, dialect: Dialect, person_key: str) -> None:
        self._dialect = dialect
        self._person_key = person_key

    def reader(self, loaded_at: datetime) -> Reader:
        """Return what judges blocks by the dialect."""
        return partial(read_dialect_block, self._dialect, Reading(loaded_at, self._person_key))


def reject_reasons(source: Source) -> list[str]:
    """Name the reasons for which a line of a source can be rejected."""
    dialect = source.make_dialect()
    return [EMPTY_LINE, NOT_UTF8, *dialect.reject_reasons] if dialect else list(REJECT_REASONS)


def line_format(source: Source, connection: Connection) -> LineFormat:
    """Return the format of a source's lines. The connection is used at once or not at all."""
    dialect = source.make_dialect()
    return DialectFormat(dialect, read_person_key(connection)) if dialect else CampaignLines(source.time_zone)
