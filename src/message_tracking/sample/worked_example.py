"""The worked example of spec §5, as a source of its own."""

from pathlib import Path

from message_tracking.sample.files import write_bytes

WORKED_EXAMPLE = Path(__file__).parent / "golden" / "worked-example"
"""Folder with logs/, exports/ and contents/ of the example, and the figures it must give in expected.json."""


def lay_worked_example(folder: Path) -> None:
    """Copy the example's logs, exports and contents into `folder`; files that are there already stay untouched."""
    for part in ("contents", "exports", "logs"):
        for path in sorted((WORKED_EXAMPLE / part).rglob("*")):
            if path.is_file():
                write_bytes(folder / path.relative_to(WORKED_EXAMPLE), path.read_bytes())
