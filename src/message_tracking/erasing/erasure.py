"""Erasing persons, from the first look to the receipt (spec §7.11)."""

import getpass
import json
import socket
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass, field

from psycopg2 import sql

from message_tracking.erasing.blotting import Blotter
from message_tracking.erasing.database import enter, erase_in_raw, erase_in_stores, erase_in_texts
from message_tracking.erasing.files import erase_in_files
from message_tracking.erasing.persons import choose
from message_tracking.loading.erased import close_door
from message_tracking.publication import keep_builds_away
from message_tracking.settings import Settings
from message_tracking.sources import configured_sources
from message_tracking.warehouse import Warehouse


@dataclass(frozen=True)
class Erasure:
    """What an erasure did, or with a dry run would do."""

    erasure_id: int | None
    """The number of the receipt; None where there was nobody to erase, and of a dry run."""
    recipient_count: int
    counts: Counter[str] = field(default_factory=Counter)
    """Rows by table, files by kind."""
    not_ours: list[str] = field(default_factory=list)
    """Where else these persons may be found."""

    def report(self) -> str:
        """Say it in lines."""
        if self.erasure_id is None and not self.counts:
            return "There is nobody to erase who was not erased before."
        told = f"Erased {self.recipient_count} recipient(s), receipt {self.erasure_id} in ops.erasures."
        if self.erasure_id is None:
            told = f"A dry run: {self.recipient_count} recipient(s) would be erased; nothing was changed."
        rows = [f"  {name}: {count:,}" for name, count in sorted(self.counts.items()) if count]
        return "\n".join([told, *rows, *(f"Left: {left}" for left in self.not_ours)])


def erase(  # noqa: PLR0913  (what may be left out goes by name)
    warehouse: Warehouse,
    settings: Settings,
    recipient_ids: Collection[int] = (),
    *,
    listed: bool = False,
    dry_run: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Erasure:
    """Erase recipients, by id, and with `listed` all whom exports named `erasures` ask for.

    Everything in the warehouse is one transaction, and files come before its end: so a killed erasure still knows
    whom it was about, and is simply run again. Loads wait for it with their last step. Whoever was erased before is
    looked for by number once more: in files that have come since, and in what was loaded before it was known whose
    message it was (`ops.erased_messages` without a receipt).

    Raises HeldError while a build is going on.
    """
    sources = list(configured_sources(settings).sources)
    with closing(warehouse.connect("message-tracking erase")) as connection:
        with connection, connection.cursor() as cursor:
            keep_builds_away(connection)
            close_door(cursor)
            report("Looking for their traces")
            traces = choose(cursor, recipient_ids, listed=listed)
            if not traces.recipient_ids:
                return Erasure(None, 0)
            not_ours: list[str] = []
            counts: Counter[str] = Counter()
            if not dry_run:
                report(f"Going through the files of {settings.home}")
                files = erase_in_files(settings, sources, traces)
                counts += files.changed
                not_ours += files.left
            erasure_id = enter(cursor, f"{getpass.getuser()} on {socket.gethostname()}")
            report("Going through the warehouse")
            counts += erase_in_texts(cursor, Blotter(traces))
            counts += erase_in_raw(cursor)
            in_stores, of_others = erase_in_stores(cursor)
            counts += in_stores
            not_ours += of_others
            cursor.execute(
                "update ops.erasures set counts = %s, not_ours = %s where erasure_id = %s",
                (json.dumps(counts), json.dumps(not_ours), erasure_id),
            )
            if dry_run:
                connection.rollback()
                return Erasure(None, traces.recipient_count, counts, not_ours)
        _clean_up(warehouse, [name for name in counts if "." in name and counts[name]])
    return Erasure(erasure_id, traces.recipient_count, counts, not_ours)


def _clean_up(warehouse: Warehouse, tables: Collection[str]) -> None:
    """Let the server forget the rows as they were, and what its statistics quote of them."""
    with closing(warehouse.connect("message-tracking erase")) as connection:
        connection.autocommit = True
        for table in sorted({name.split(",")[0] for name in tables}):
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(*table.split("."))))
