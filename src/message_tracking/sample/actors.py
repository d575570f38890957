"""Who is behind each event: a person, or a machine that opens or follows links for its own ends."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from message_tracking.sample.deliveries import Flags, Integers
from message_tracking.sample.files import written_in_whole
from message_tracking.sample.mailboxes import NOTHING, Mailboxes
from message_tracking.sample.options import SampleOptions
from message_tracking.sample.texts import content, hex_digits, joined, laid_out, of_rows, picked, table

ACTORS = ["person", "image_proxy", "prefetch", "scanner"]
PERSON, IMAGE_PROXY, PREFETCH, SCANNER = range(len(ACTORS))

ACTORS_FILE = "actors.csv.gz"


def actors_of_people(mailboxes: Mailboxes, recipient: Integers, is_open: Flags, is_own_device: Flags) -> Integers:
    """Who fetches what people ask for: an image proxy the pictures, they themselves what they click."""
    is_proxied = is_open & is_own_device & (mailboxes.proxies[recipient] != NOTHING)
    return np.where(is_proxied, IMAGE_PROXY, PERSON)


@contextmanager
def actors_file(options: SampleOptions, folder: Path) -> Iterator[Callable[[str, pl.DataFrame], None]]:
    """Give what writes the actors of a server's events: `log_id,actor` for each good line, in no particular order.

    It writes nothing where that was not asked for, or where no event has an actor.
    """
    if not (options.actors_file and options.has_actors):
        yield lambda _prefix, _events: None
        return
    with (
        written_in_whole(folder / ACTORS_FILE) as path,
        path.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=4, fileobj=file, mtime=0) as packed,
    ):
        packed.write(b"log_id,actor\n")
        yield lambda prefix, events: _write(packed, prefix, events.filter(pl.col("corruption") == 0))


def _write(file: gzip.GzipFile, prefix: str, events: pl.DataFrame) -> None:
    counters = hex_digits(events["counter"].to_numpy(), upper=True)
    ids = of_rows(laid_out(f"{prefix}0x................,", events.height, {3: counters}))
    actors = picked(table([f"{actor}\n" for actor in ACTORS]), events["actor"].to_numpy())
    file.write(content(pa.chunked_array([joined(ids, actors)])))
