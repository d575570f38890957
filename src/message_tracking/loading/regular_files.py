"""What lies where a file should be: opening a pipe would wait for ever, and a folder may have any name."""

import os
import stat
from pathlib import Path

from message_tracking.errors import UnreadableFileError


def stat_regular(path: Path) -> os.stat_result:
    """Return what the system says of a file, a link's target included.

    Raises UnreadableFileError where it is a folder, a pipe or a device, OSError where it cannot be looked at.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise UnreadableFileError(
            f"{path} is {kind}.", "Move it away, or put the file that has this name in its place."
        )
    return found
