"""From options to a landing folder full of tracking logs, exports and bodies."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl

from message_tracking.sample.actors import actors_file
from message_tracking.sample.ahead import made_ahead
from message_tracking.sample.bodies import body_files
from message_tracking.sample.campaign import Campaign
from message_tracking.sample.export_files import export_files
from message_tracking.sample.files import MANIFEST, claim_folder, write_bytes, write_json
from message_tracking.sample.lines import FieldTexts, log_lines, with_marks
from message_tracking.sample.options import SampleOptions
from message_tracking.sample.planted_traits import planted_traits
from message_tracking.sample.reactions import Reactions
from message_tracking.sample.servers import Server, with_ids
from message_tracking.sample.tally import Tally

Progress = Callable[[int], None]

_BLOCK_LINES = 2**16
"""Lines that are written at a time: few enough that their texts need no fresh memory from the system each time."""


def generate_sample(options: SampleOptions, folder: Path, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Write the sample into `folder` and return what was planted, which is also in its planted.json.

    The same options write the same bytes, and what is there already stays untouched. `progress` is told how many
    lines were made since it was last called. Raises MessageTrackingError where the folder holds something else.
    """
    claim_folder(folder, options)
    campaign = Campaign(options)
    tally = Tally(campaign)
    servers = [Server(options, place, folder / "logs" / f"tracking-{place + 1}") for place in range(options.servers)]
    with ThreadPoolExecutor(1) as pool:
        references = pool.submit(_write_references, campaign, folder)
        _write_logs(campaign, servers, tally, folder, progress)
    counted = references.result() | tally.traits()

    planted = {
        "options": options.described(),
        "is_complete": True,
        "traits": planted_traits(campaign, counted, servers, tally.corrupted_count),
        **tally.described(),
        "servers": {server.folder.name: server.described() for server in servers},
    }
    write_json(folder / MANIFEST, planted)
    return planted


def _write_references(campaign: Campaign, folder: Path) -> dict[str, int]:
    """Write exports and bodies; return how many rows or bodies show each trait of theirs."""
    exports, exported = export_files(campaign)
    for name, content in exports.items():
        write_bytes(folder / "exports" / name, content)
    bodies, placed = body_files(campaign)
    for name, text in bodies.items():
        write_bytes(folder / "contents" / name, text.encode())
    return exported | placed


def _write_logs(campaign: Campaign, servers: list[Server], tally: Tally, folder: Path, progress: Progress) -> None:
    texts = FieldTexts(campaign)
    with actors_file(campaign.options, folder) as write_actors:
        for logged in made_ahead(_logged(campaign, servers, tally)):
            for server, events in zip(servers, logged, strict=True):
                for block in events.iter_slices(_BLOCK_LINES):
                    server.take(log_lines(texts, server.prefix, block), block)
                    write_actors(server.prefix, block)
                    progress(block.height)
    for server in servers:
        server.finish()


def _logged(campaign: Campaign, servers: list[Server], tally: Tally) -> Iterator[list[pl.DataFrame]]:
    """Yield chunk by chunk what each server is to log; it is counted already."""
    for chunk in Reactions(campaign).chunks():
        events, positions = with_ids(servers, campaign.options, with_marks(campaign, chunk), tally.corrupted_count)
        tally.add(events)
        yield [events[places] for places in positions]
