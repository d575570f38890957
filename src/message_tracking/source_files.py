"""The files of a source by what they are: tracking logs, exports, message bodies, others (design §4.2)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

from message_tracking.sources import Source

if TYPE_CHECKING:
    from message_tracking.transports.campaign_database import CampaignDatabase

OBJECTS = "events"
"""Stands for the server of a source with a dialect, which has none."""
_LOG_NAME = re.compile(r"0x[0-9A-Fa-f]{16}\.log(\.gz)?")
_CONTENT_NAME = re.compile(r"(0|-?[1-9][0-9]*)\.(html|txt)")
_CONTENT_PARTS: dict[str, Literal["html", "text"]] = {"html": "html", "txt": "text"}


@dataclass(frozen=True)
class FileState:
    """By which a file is known to have changed."""

    size: int
    """Bytes."""
    modified_ns: int


class SourceFile(Protocol):
    """A file, or what else has a name in a folder, wherever that is. As text it is what users know it by."""

    @property
    def name(self) -> str:
        """Its name in the folder."""
        ...

    @property
    def is_file(self) -> bool:
        """Whether it can be read, unlike folders, pipes and links to nowhere."""
        ...

    def state(self) -> FileState:
        """Say how large it is and when it was changed.

        Raises UnreadableFileError where it is no file, OSError where it cannot be looked at.
        """
        ...

    def open(self, offset: int = 0) -> BinaryIO:
        """Open it to be read from a byte on. Reading raises OSError or UnreadableFileError."""
        ...


class FileTree(Protocol):
    """The folders and files of a source, named relative to its path, parts divided by `/`."""

    def require(self, source: str) -> None:
        """Raise UnreadableFileError, which names the source, where its folder is not there or cannot be read."""
        ...

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in a folder; empty where it is not there. Raises UnreadableFileError."""
        ...

    def files(self, folder: str) -> list[SourceFile]:
        """Whatever lies in a folder but folders with other names than files', by name; empty where it is not there."""
        ...


@dataclass(frozen=True)
class PlacedFile:
    """A file that is known by its place below the source's path, as names in several folders may be the same."""

    folder: str
    file: SourceFile

    def __str__(self) -> str:
        """As users know it."""
        return str(self.file)

    @property
    def name(self) -> str:
        """Its folder and its name there."""
        return f"{self.folder}/{self.file.name}".lstrip("/")

    @property
    def is_file(self) -> bool:
        """Whether it can be read."""
        return self.file.is_file

    def state(self) -> FileState:
        """Say how large it is and when it was changed."""
        return self.file.state()

    def open(self, offset: int = 0) -> BinaryIO:
        """Open it to be read from a byte on."""
        return self.file.open(offset)


@dataclass(frozen=True)
class ContentFile:
    """The file of one part of a delivery's message."""

    file: SourceFile
    delivery_id: int
    content_part: Literal["html", "text"]


@dataclass(frozen=True)
class SourceFiles:
    """What lies in a source."""

    source: Source
    tree: FileTree
    database: "CampaignDatabase | None" = None
    """Where its reference data is instead of in files."""

    def require_folder(self) -> None:
        """Raise UnreadableFileError where the source's folder is not there, as when a disk is not mounted."""
        self.tree.require(self.source.name)

    def servers(self) -> list[str]:
        """Names of the tracking servers: those that the source names, else the folders that the logs glob finds.

        A source with a dialect has one for all folders, `events`.
        """
        if self.source.has_dialect:
            return [OBJECTS]
        if self.source.servers:
            return list(self.source.servers)
        return sorted({PurePosixPath(folder).name for folder in self._log_folders()})

    def log_files(self, server: str) -> list[SourceFile]:
        """A server's logs, by name: what the logs glob takes, of Campaign's `0x<16 hex>.log` or `.log.gz` only."""
        return [file for file in self._files(server) if self._is_log(file.name)]

    def other_files(self, server: str) -> list[SourceFile]:
        """What other files lie in a server's folder, by name."""
        return [file for file in self._files(server) if file.is_file and not self._is_log(file.name)]

    def export_files(self, names: list[str]) -> list[SourceFile]:
        """The reference data files of these names that are there, in the order of the names."""
        found = {file.name: file for file in self.tree.files(self.source.exports)}
        return [found[name] for name in names if name in found]

    def content_files(self) -> list[ContentFile]:
        """The message bodies, by name: `<delivery_id>.html` or `.txt`, the id in decimal digits."""
        return [body for file in self.tree.files(self.source.contents) if (body := _content_file(file))]

    def other_content_files(self) -> list[SourceFile]:
        """What other files lie in the folder of the message bodies, by name."""
        return [file for file in self.tree.files(self.source.contents) if file.is_file and not _content_file(file)]

    def _files(self, server: str) -> list[SourceFile]:
        """Whatever lies in the folders of a server."""
        if self.source.has_dialect:
            objects = [PlacedFile(folder, file) for folder in self._log_folders() for file in self.tree.files(folder)]
            return sorted(objects, key=str) if server == OBJECTS else []
        folders = [folder for folder in self._log_folders() if PurePosixPath(folder).name == server]
        return sorted((file for folder in folders for file in self.tree.files(folder)), key=str)

    def _log_folders(self, below: str = "", depth: int = 0) -> Iterator[str]:
        """Find the folders that the logs glob looks into."""
        parts = PurePosixPath(self.source.logs).parent.parts
        if depth == len(parts):
            yield below
            return
        for name in self.tree.folders(below):
            if fnmatchcase(name, parts[depth]):
                yield from self._log_folders(f"{below}/{name}".lstrip("/"), depth + 1)

    def _is_log(self, name: str) -> bool:
        """Whether a file is named like a tracking log."""
        is_asked_for = fnmatchcase(PurePosixPath(name).name, PurePosixPath(self.source.logs).name)
        return is_asked_for and (self.source.has_dialect or bool(_LOG_NAME.fullmatch(name)))


def _content_file(file: SourceFile) -> ContentFile | None:
    """Read a body's name, unless it is another file or its number is none that an id can be."""
    match = _CONTENT_NAME.fullmatch(file.name)
    if not match or not -(2**63) <= int(match[1]) < 2**63:
        return None
    return ContentFile(file, int(match[1]), _CONTENT_PARTS[match[2]])
