"""Files of this machine, or of what is mounted in it.

Not by way of fsspec: it rounds times of change and leaves links out that lead nowhere, which are to be refused by name.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from message_tracking.errors import UnreadableFileError
from message_tracking.source_files import FileState, SourceFile


@dataclass(frozen=True)
class LocalFile:
    """A file of this machine."""

    path: Path

    def __str__(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def name(self) -> str:
        """Its name in the folder."""
        return self.path.name

    @property
    def is_file(self) -> bool:
        """Whether it can be read."""
        return self.path.is_file()

    def state(self) -> FileState:
        """Say how large it, or the file that it links to, is and when that was changed.

        Raises UnreadableFileError where it is a folder, a pipe, whose opening would wait for ever, or a device, OSError
        where it cannot be looked at.
        """
        found = self.path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise UnreadableFileError(
                f"{self} is {kind}.", "Move it away, or put the file that has this name in its place."
            )
        return FileState(found.st_size, found.st_mtime_ns)

    def open(self, offset: int = 0) -> BinaryIO:
        """Open it to be read from a byte on."""
        stream = self.path.open("rb")
        stream.seek(offset)
        return stream


@dataclass(frozen=True)
class LocalTree:
    """A folder of this machine."""

    path: Path

    def require(self, source: str) -> None:
        """Raise UnreadableFileError where the folder is not there or cannot be read."""
        try:
            next(self.path.iterdir(), None)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UnreadableFileError(
                f"The folder of the source {source} is not there: {self.path}.",
                "Mount or make it, or put its path right in the sources file.",
            ) from error
        except OSError as error:
            raise _closed(self.path, error) from error

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in a folder."""
        return [path.name for path in self._paths(folder) if path.is_dir()]

    def files(self, folder: str) -> list[SourceFile]:
        """Whatever lies in a folder, by name."""
        return [LocalFile(path) for path in self._paths(folder)]

    def _paths(self, folder: str) -> list[Path]:
        path = self.path / folder
        try:
            return sorted(path.iterdir()) if path.is_dir() else []
        except OSError as error:
            raise _closed(path, error) from error


def _closed(folder: Path, error: OSError) -> UnreadableFileError:
    return UnreadableFileError(
        f"The folder {folder} cannot be read: {os.strerror(error.errno or 0)}.",
        "Let the user that runs the pipeline read it.",
    )
