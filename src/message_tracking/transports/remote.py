"""Files of other machines, by way of fsspec: listed, read by ranges, tried again where the connection breaks."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from tempfile import TemporaryFile
from threading import Lock
from time import monotonic, sleep
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import unquote

from fsspec import AbstractFileSystem

from message_tracking.errors import UnreadableFileError
from message_tracking.source_files import FileState, SourceFile
from message_tracking.transports.connections import SourceConnection
from message_tracking.transports.retrying import ATTEMPTS, BrokenError, again_where_broken, one_line

FIRST_BYTES = 1 << 16
LONGEST_AHEAD = 4 << 20
"""What is asked for at once: the one where reading begins, twice as much each time it goes on, up to the other."""
CONNECT_SECONDS = 20
SILENT_SECONDS = 60
"""After so long a silence a connection counts as broken."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Transport(ABC):
    """How files are reached of one kind of source."""

    connection: SourceConnection
    root: str
    """The source's path."""

    @property
    @abstractmethod
    def transient_errors(self) -> tuple[type[Exception], ...]:
        """What is raised where a connection cannot be made or breaks."""

    @abstractmethod
    def connect(self) -> AbstractFileSystem:
        """Make a connection. Raises ConfigurationError or UnreadableFileError where trying again is of no use."""

    @abstractmethod
    def path(self, folder: str) -> str:
        """Name a folder of the source, given relative to its path, to the file system."""

    @abstractmethod
    def shown(self, path: str) -> str:
        """Name a path of the file system in messages, where it can be found and without secrets."""

    @abstractmethod
    def read_range(self, files: AbstractFileSystem, path: str, start: int, end: int) -> bytes:
        """Read the bytes of a file from start up to end, or as far as it reaches."""

    def info(self, files: AbstractFileSystem, path: str) -> dict[str, Any]:
        """Look at a file: its `type`, `size` and when it was changed, as fsspec names them."""
        return cast("dict[str, Any]", files.info(path))

    def allows_ranges(self, files: AbstractFileSystem, path: str) -> bool:  # noqa: ARG002  (some have to ask)
        """Whether parts of a file can be had."""
        return True


class Link:
    """A connection, made when it is first needed and anew after it broke, and used no faster than is allowed."""

    def __init__(self, transport: Transport, most_bytes_per_second: int | None = None) -> None:
        self.transport = transport
        self.most_bytes_per_second = most_bytes_per_second
        self._file_system: AbstractFileSystem | None = None
        self._connecting = Lock()
        self._pacing = Lock()
        self._free_at = 0.0

    def call(self, what: str, action: Callable[[AbstractFileSystem], Result]) -> Result:
        """Do something over the connection, and again, after ever longer waits, where that breaks.

        Raises what the other machine says that is not there or not allowed, and UnreadableFileError, which begins with
        `what`, where no attempt came through.
        """
        try:
            return again_where_broken(partial(self._attempt, action))
        except BrokenError as error:
            raise UnreadableFileError(
                f"{what} cannot be reached, {ATTEMPTS} times in a row: {one_line(error.__cause__)}.",
                "Look whether that machine is up and lets this one in; the next load goes on where this one ended.",
            ) from error.__cause__

    def read_range(self, path: str, shown: str, start: int, end: int) -> bytes:
        """Read the bytes of a file from start up to end, all of them."""
        self.wait_for_pace(end - start)
        data = self.call(shown, lambda files: self.transport.read_range(files, path, start, end))
        if len(data) != end - start:
            raise ended_early(shown, start + len(data), end)
        return data

    def _attempt(self, action: Callable[[AbstractFileSystem], Result]) -> Result:
        with self._connecting:
            files = self._file_system
        try:
            if files is None:
                with self._connecting:
                    files = self._file_system = self._file_system or self.transport.connect()
            return action(files)
        except (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError):
            raise
        except self.transport.transient_errors as error:
            with self._connecting:
                if self._file_system is files:
                    self._file_system = None
            raise BrokenError from error

    def wait_for_pace(self, size: int) -> None:
        """Wait until so many bytes may be read."""
        if self.most_bytes_per_second is None:
            return
        with self._pacing:
            now = monotonic()
            begins = max(now, self._free_at)
            self._free_at = begins + size / self.most_bytes_per_second
        sleep(begins - now)


def ended_early(shown: str, found: int, expected: int) -> UnreadableFileError:
    """Say that a file is shorter than it was said to be."""
    return UnreadableFileError(
        f"{shown} ends at byte {found}, not at {expected} as it should.",
        "It was cut on its way, replaced or is being written anew; the next load reads it.",
    )


@dataclass(frozen=True)
class RemoteFile:
    """A file of another machine, as it was when it was listed."""

    link: Link = field(repr=False)
    path: str
    shown: str
    is_file: bool
    listed: FileState | None
    """None where a listing does not say."""

    def __str__(self) -> str:
        """Where it is."""
        return self.shown

    @property
    def name(self) -> str:
        """Its name in the folder."""
        return _name(self.path)

    def state(self) -> FileState:
        """Say how large it was and when it had been changed.

        Raises UnreadableFileError where it is no file or cannot be reached, OSError where it is gone or closed.
        """
        if not self.is_file:
            raise UnreadableFileError(
                f"{self} is no regular file.", "Move it away, or put the file that has this name in its place."
            )
        return self._state

    def open(self, offset: int = 0) -> BinaryIO:
        """Open it to be read from a byte on, as far as it reached when it was listed."""
        if not self._call(self.link.transport.allows_ranges):
            return self._fetched(offset)
        stream = io.BufferedReader(_Ranges(self, self.state().size), FIRST_BYTES)
        stream.seek(offset)
        return cast("BinaryIO", stream)

    def read_range(self, start: int, end: int) -> bytes:
        """Read the bytes from start up to end, all of them."""
        return self.link.read_range(self.path, self.shown, start, end)

    @cached_property
    def _state(self) -> FileState:
        return self.listed or _state(self._call(self.link.transport.info))

    def _call(self, ask: Callable[[AbstractFileSystem, str], Result]) -> Result:
        return self.link.call(self.shown, lambda files: ask(files, self.path))

    def _fetched(self, offset: int) -> BinaryIO:
        """Bring the whole file here first, into a file that has no name."""
        size = self.state().size
        stored = cast("BinaryIO", TemporaryFile())  # noqa: SIM115  (whoever reads it closes it)

        def fetch(files: AbstractFileSystem, path: str) -> None:
            stored.seek(0)
            stored.truncate()
            with files.open(path, block_size=0) as stream:
                while piece := stream.read(LONGEST_AHEAD):
                    self.link.wait_for_pace(len(piece))
                    stored.write(piece)

        self._call(fetch)
        if stored.tell() < size:
            raise ended_early(self.shown, stored.tell(), size)
        stored.seek(offset)
        return stored


class _Ranges(io.RawIOBase):
    """Reads a remote file by ranges, further and further ahead of who reads on."""

    def __init__(self, file: RemoteFile, size: int) -> None:
        super().__init__()
        self._file = file
        self._size = size
        self._place = 0
        self._had = b""
        """What was read and not yet asked for, up to `_had_end`."""
        self._had_end = -1
        self._ahead = FIRST_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence] + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        had = self._had_from(self._place) or self._read(len(buffer))
        data = had[: len(buffer)]
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def _had_from(self, place: int) -> bytes:
        begin = place - (self._had_end - len(self._had))
        return self._had[begin:] if begin >= 0 else b""

    def _read(self, wanted: int) -> bytes:
        self._ahead = min(2 * self._ahead, LONGEST_AHEAD) if self._place == self._had_end else FIRST_BYTES
        end = min(self._place + max(wanted, self._ahead), self._size)
        self._had = self._file.read_range(self._place, end) if end > self._place else b""
        self._had_end = self._place + len(self._had)
        return self._had


@dataclass(frozen=True)
class RemoteTree:
    """A folder of another machine."""

    link: Link

    def require(self, source: str) -> None:
        """Raise UnreadableFileError where the folder is not there or cannot be read."""
        shown = self._shown(self._path(""))
        try:
            self._listed("")
        except FileNotFoundError as error:
            raise UnreadableFileError(
                f"The folder of the source {source} is not there: {shown}.",
                "Make it, or put its path right in the sources file.",
            ) from error

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in a folder."""
        return sorted(_name(entry["name"]) for entry in self._entries(folder) if entry["type"] == "directory")

    def files(self, folder: str) -> list[SourceFile]:
        """Whatever lies in a folder, by name."""
        found = [self._file(entry) for entry in self._entries(folder)]
        return sorted(found, key=lambda file: file.name)

    def _file(self, entry: dict[str, Any]) -> SourceFile:
        path = entry["name"].rstrip("/")
        if entry["type"] == "link":
            entry = self.link.call(self._shown(path), lambda files: _followed(files, path))
        is_file = entry["type"] == "file"
        listed = _state(entry) if is_file and entry.get("size") is not None else None
        return RemoteFile(self.link, path, self._shown(path), is_file, listed)

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        try:
            return self._listed(folder)
        except FileNotFoundError:
            return []

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        path = self._path(folder)
        try:
            entries = self.link.call(self._shown(path), lambda files: files.ls(path, detail=True))
        except (PermissionError, NotADirectoryError) as error:
            raise UnreadableFileError(
                f"The folder {self._shown(path)} cannot be read: {one_line(error)}.",
                "Let the connection's login read it.",
            ) from error
        own = path.rstrip("/")
        # A store of objects lists a folder's own marker, a web page the links by which it can be sorted.
        return [entry for entry in entries if entry["name"].rstrip("/") != own and "?" not in _last(entry["name"])]

    def _path(self, folder: str) -> str:
        return self.link.transport.path(folder)

    def _shown(self, path: str) -> str:
        return self.link.transport.shown(path)


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _name(path: str) -> str:
    return unquote(_last(path)) if "://" in path else _last(path)


def _followed(files: AbstractFileSystem, path: str) -> dict[str, Any]:
    """Look at what a link leads to; one to nowhere is no file."""
    try:
        return {**files.info(path), "name": path}
    except FileNotFoundError:
        return {"name": path, "type": "other"}


def _state(entry: dict[str, Any]) -> FileState:
    """Read size and time of change from what a file system says of a file."""
    changed = entry.get("mtime") or entry.get("LastModified") or entry.get("Last-Modified")
    if isinstance(changed, str):
        changed = parsedate_to_datetime(changed)
    if changed is None:
        return FileState(int(entry["size"] or 0), 0)
    since = changed.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return FileState(int(entry["size"] or 0), (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000)
