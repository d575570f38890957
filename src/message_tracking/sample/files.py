"""Files that appear whole or not at all, and stay untouched where their content does not change."""

import filecmp
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from message_tracking.errors import MessageTrackingError
from message_tracking.sample.options import SampleOptions

MANIFEST = "planted.json"


@contextmanager
def written_in_whole(path: Path) -> Iterator[Path]:
    """Give a file beside `path` to fill, and move it there afterwards, unless `path` holds the same bytes already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name must not look like a log or an export to whoever reads the folder meanwhile.
    unfinished = path.with_name(f".{path.name}.unfinished")
    yield unfinished
    if path.is_file() and filecmp.cmp(path, unfinished, shallow=False):
        unfinished.unlink()
    else:
        unfinished.replace(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content`, unless it is there already."""
    if not (path.is_file() and path.read_bytes() == content):
        with written_in_whole(path) as unfinished:
            unfinished.write_bytes(content)


def write_json(path: Path, content: object) -> None:
    """Write `content` as JSON, unless it is there already."""
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def claim_folder(folder: Path, options: SampleOptions) -> None:
    """Make sure that `folder` is empty or holds a (perhaps unfinished) sample of the same options.

    Raises MessageTrackingError where it holds anything else.
    """
    manifest = folder / MANIFEST
    wanted = options.described()
    if manifest.is_file():
        found = json.loads(manifest.read_text()).get("options")
        if found != wanted:
            raise MessageTrackingError(
                f"{folder} holds a sample with other options: {_written(found)}; asked for: {_written(wanted)}.",
                "Choose another --output, or delete the folder first.",
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MessageTrackingError(
            f"{folder} is not empty and holds no sample ({MANIFEST} is missing).", "Choose another --output."
        )
    write_json(manifest, {"options": wanted, "is_complete": False})


def _written(options: object) -> str:
    return (
        ", ".join(f"{name} {value}" for name, value in options.items()) if isinstance(options, dict) else str(options)
    )
