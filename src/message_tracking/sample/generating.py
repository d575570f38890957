"""From options to a landing folder full of tracking logs, exports and bodies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from message_tracking.sample.bodies import body_files
from message_tracking.sample.campaign import Campaign
from message_tracking.sample.export_files import export_files
from message_tracking.sample.files import MANIFEST, claim_folder, write_bytes, write_json
from message_tracking.sample.lines import log_lines, with_marks
from message_tracking.sample.options import SampleOptions
from message_tracking.sample.planted_traits import planted_traits
from message_tracking.sample.reactions import Reactions
from message_tracking.sample.servers import Server, with_ids
from message_tracking.sample.tally import Tally

Progress = Callable[[int], None]


def generate_sample(options: SampleOptions, folder: Path, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Write the sample into `folder` and return what was planted, which is also in its planted.json.

    The same options write the same bytes, and what is there already stays untouched. `progress` is told how many
    lines were made since it was last called. Raises MessageTrackingError where the folder holds something else.
    """
    claim_folder(folder, options)
    campaign = Campaign(options)
    exports, exported = export_files(campaign)
    for name, content in exports.items():
        write_bytes(folder / "exports" / name, content)
    bodies, placed = body_files(campaign)
    for name, text in bodies.items():
        write_bytes(folder / "contents" / name, text.encode())

    tally = Tally(campaign)
    servers = [Server(options, place, folder / "logs" / f"tracking-{place + 1}") for place in range(options.servers)]
    corrupted_count = 0
    for chunk in Reactions(campaign).chunks():
        events, positions = with_ids(servers, options, with_marks(campaign, chunk), corrupted_count)
        corrupted_count += int((events["corruption"] > 0).sum())
        tally.add(events)
        lines = log_lines(campaign, events)
        for server, places in zip(servers, positions, strict=True):
            server.take(lines.gather(places), events[places])
        progress(chunk.height)
    for server in servers:
        server.finish()

    planted = {
        "options": options.described(),
        "is_complete": True,
        "traits": planted_traits(campaign, exported | placed | tally.traits(), servers, corrupted_count),
        **tally.described(),
        "servers": {server.folder.name: server.described() for server in servers},
    }
    write_json(folder / MANIFEST, planted)
    return planted
