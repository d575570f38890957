"""A case cut into slices that arrive one after the other: growing logs, exports in two parts."""

import shutil
from pathlib import Path


def lay_slice(case: Path, folder: Path, number: int, count: int) -> None:
    """Lay the case down as it is after slice `number` (from 1) of `count`: logs grown so far, recipients last."""
    for log in case.glob("logs/*/*"):
        lines = log.read_bytes().splitlines(keepends=True)
        target = folder / log.relative_to(case)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"".join(lines[: len(lines) * number // count]))
    (folder / "exports").mkdir(exist_ok=True)
    for export in (case / "exports").iterdir():
        if export.stem != "recipients" or number == count:
            shutil.copy2(export, folder / "exports" / export.name)
