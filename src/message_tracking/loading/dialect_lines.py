"""Lines of a dialect into raw.events and reference tables, each of the provider's events once (design §6)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError
from psycopg2.extensions import connection as Connection  # noqa: N812  (the class is spelled so there)
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from message_tracking.dialects import Dialect, DialectLines, Reading
from message_tracking.dialects.hashing import event_hashes
from message_tracking.loading.binary_copy import FixedColumn, copy_rows
from message_tracking.loading.derived_rows import DerivedRows
from message_tracking.loading.events import Catalog, EventWriter
from message_tracking.loading.ledger import FileKey, PullRecord
from message_tracking.parsing.log_events import LogEvents
from message_tracking.parsing.reading import ReadBlock
from message_tracking.parsing.tracking_log import ACCEPTED_SCHEMA, REJECTED_SCHEMA
from message_tracking.warehouse import fetch_all

PREFIX = "h"
"""Stands in `raw.events` for the prefix character of a log id where the counter is a hash."""
EMPTY_LINE, NOT_UTF8 = "empty_line", "not_utf8"

_TEXTS = [name for name, kind in ACCEPTED_SCHEMA.items() if kind == pl.String and name != "prefix"]

_ENTER_IDS = """
    insert into ops.hashed_ids (source_id, counter)
    select %s, counter from pg_temp.arriving_ids order by counter
    on conflict do nothing
    returning counter
"""


@dataclass(frozen=True)
class DialectBlock(ReadBlock):
    """The lines of one block of a dialect, of which not all that are accepted are events."""

    ids: pl.DataFrame
    """`line` and `counter` of the accepted lines."""
    rows: Mapping[str, pl.DataFrame]
    """Reference data, by table."""

    @property
    def accepted_line(self) -> NDArray[np.int64]:
        """The accepted lines, counted from 0 in the block."""
        return self.ids["line"].cast(pl.Int64).to_numpy()


def read_person_key(connection: Connection) -> str:
    """Read the warehouse's secret, as hex digits."""
    ((key,),) = fetch_all(connection, "select encode(key, 'hex') from ops.person_key")
    connection.rollback()
    return str(key)


def read_dialect_block(dialect: Dialect, reading: Reading, block: bytes) -> DialectBlock:
    """Judge the lines of a block by a dialect."""
    lines = _lines(block)
    said = dialect.read(lines.filter(pl.col("reason").is_null()).select("line", "text"), reading)
    reasons = pl.concat([lines.filter(pl.col("reason").is_not_null()).select("line", "reason"), said.rejected])
    rejected = (
        lines.drop("reason", "text")
        .join(reasons, on="line", maintain_order="left")
        .with_columns(prefix=pl.lit(None, pl.String), counter=pl.lit(None, pl.Int64))
        .select(*REJECTED_SCHEMA)
    )
    ids = said.accepted.select("line", counter=event_hashes(said.accepted["event_key"]))
    return DialectBlock(lines.height, _events(said, ids), rejected, ids, said.rows)


def _lines(block: bytes) -> pl.DataFrame:
    """Cut a block into `line`, `byte_offset`, `raw_line`, `text`, and the `reason` why a line has none."""
    pieces = block.removesuffix(b"\n").split(b"\n") if block else []
    raw = pl.Series("raw_line", pieces, dtype=pl.Binary)
    ends = (raw.bin.size().cast(pl.Int64) + 1).cum_sum()
    numbers = pl.int_range(len(pieces), dtype=pl.UInt32, eager=True)
    lines = pl.DataFrame(
        {"line": numbers, "byte_offset": ends.shift(1, fill_value=0), "raw_line": raw, "text": _text(raw)}
    )
    text = pl.col("text")
    return lines.with_columns(
        reason=pl.when(text.is_null()).then(pl.lit(NOT_UTF8)).when(text == "").then(pl.lit(EMPTY_LINE))
    )


def _text(raw: pl.Series) -> pl.Series:
    """Read lines as UTF-8, without blanks around them; null where they are something else."""
    try:
        text = raw.cast(pl.String)
    except PolarsError:
        # It does not say of which: one by one, which is rare.
        text = pl.Series([_decoded(line) for line in raw.to_list()], dtype=pl.String)
    return text.str.strip_chars().alias("text")


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _events(said: DialectLines, ids: pl.DataFrame) -> LogEvents:
    """Give events the form of log lines."""
    events = said.events.join(ids, on="line", maintain_order="left")
    missing = [name for name in _TEXTS if name not in events.columns]
    events = events.with_columns(
        *(pl.lit(None if name == "field_12" else "", pl.String).alias(name) for name in missing),
        prefix=pl.lit(PREFIX),
        has_replaced_bytes=pl.lit(value=False),
    )
    return LogEvents.of_frame(events.select(*ACCEPTED_SCHEMA).cast({"message_id": pl.Int64, "url_id": pl.Int64}))


class DialectWriter(EventWriter):
    """Takes the lines of one pull; its record counts them.

    The load's lock lets no other write ids of this source meanwhile, so what is not found is new.
    """

    def __init__(self, cursor: Cursor, catalog: Catalog, file: FileKey, load_id: int, record: PullRecord) -> None:
        super().__init__(cursor, catalog, file, load_id, record)
        self.derived = DerivedRows(cursor)
        cursor.execute("create temporary table arriving_ids (counter bigint not null) on commit drop")

    def prepare(self, lines: ReadBlock) -> Callable[[], None]:
        """Return what takes the lines in. It uses the pull's own connection throughout, so nothing is done before."""
        if not isinstance(lines, DialectBlock):
            raise TypeError("These are no lines of a dialect.")
        return partial(self._take, lines)

    def note_rejected(self, rejected: pl.DataFrame) -> None:
        """There are no gaps between hashes."""

    def _forget_ids(self, erased: Mapping[str, NDArray[np.int64]]) -> None:
        """Let the ids not count as loaded."""
        for counters in erased.values():
            self.cursor.execute(
                "delete from ops.hashed_ids where source_id = %s and counter = any(%s)",
                (self.file.source_id, counters.tolist()),
            )

    def enter_ids(self) -> None:
        """Bring the reference rows in; the ids are entered already."""
        self.derived.merge(self.load_id)

    def _take(self, lines: DialectBlock) -> None:
        new = self._enter(lines.ids)
        events = lines.events.take(np.isin(lines.events.line, new))
        self.copying(events)()
        # Those of lines that were there before say nothing new, and do no harm.
        self.derived.add(lines.rows)
        self.record.accepted_count += len(new)
        self.record.described_count += len(new) - len(events)
        self.record.already_loaded_count += lines.ids.height - len(new)

    def _enter(self, ids: pl.DataFrame) -> NDArray[np.int64]:
        """Enter the ids of lines; return the lines whose ids were not known, of equal ones the first."""
        first = ids.unique("counter", keep="first", maintain_order=True)
        counters = [FixedColumn("counter", first["counter"], ">i8")]
        copy_rows(self.cursor, ("pg_temp", "arriving_ids"), first.height, counters, pl.DataFrame())
        self.cursor.execute(_ENTER_IDS, (self.file.source_id,))
        entered = pl.Series([counter for (counter,) in self.cursor.fetchall()], dtype=pl.Int64)
        self.cursor.execute("truncate pg_temp.arriving_ids")
        return first.filter(pl.col("counter").is_in(entered.implode()))["line"].cast(pl.Int64).to_numpy()
