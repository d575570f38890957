"""Read every Parquet file of a folder as exports of recipients and say what came of each, in a process of its own."""

import sys
from pathlib import Path

from message_tracking.errors import UnreadableFileError
from message_tracking.loading.export_rows import read_rows
from message_tracking.loading.reference_tables import REFERENCE_TABLES
from message_tracking.transports.local import LocalFile


def main(folder: Path) -> None:
    """Print a line per file: its name, and `rows` or the refusal."""
    (table,) = (table for table in REFERENCE_TABLES if table.name == "recipients")
    for path in sorted(folder.iterdir()):
        warnings: list[str] = []
        try:
            for rows in read_rows(LocalFile(path), table, {}, warnings):
                assert rows.count == rows.good.height + len(rows.rejected)
            outcome = "rows"
        except UnreadableFileError as refusal:
            outcome = str(refusal)
        # Both are stored: Postgres takes neither NUL nor half a character.
        assert "\0" not in outcome + "".join(warnings).encode().decode()
        print(path.name, " ".join(outcome.split()))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
