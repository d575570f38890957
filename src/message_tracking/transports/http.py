"""Folders that a web server lists."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

from aiohttp import ClientError, ClientResponseError, ClientTimeout, encode_basic_auth
from fsspec import AbstractFileSystem
from fsspec.asyn import sync
from fsspec.implementations.http import HTTPFileSystem

from message_tracking.errors import UnreadableFileError
from message_tracking.transports.remote import CONNECT_SECONDS, SILENT_SECONDS, Transport


@dataclass(frozen=True)
class Http(Transport):
    """Files below an address of a web server that lists its folders. `root` is the path of that address."""

    @property
    def transient_errors(self) -> tuple[type[Exception], ...]:
        """What is raised where a connection cannot be made or breaks."""
        return (OSError, ClientError)

    def shown(self, path: str) -> str:
        """Name a path in messages."""
        return path

    def path(self, folder: str) -> str:
        """Name a folder of the source to the file system: its address."""
        self.connection.require("host")
        scheme = "https" if "https" in {self.connection.kind, self.connection.schema} else "http"
        port = f":{self.connection.port}" if self.connection.port else ""
        place = quote("/".join(part for part in (self.root.strip("/"), folder) if part))
        return f"{scheme}://{self.connection.host}{port}/{place}".rstrip("/") + "/"

    def connect(self) -> AbstractFileSystem:
        """Make a client; it connects with the first request."""
        login, password = self.connection.login, self.connection.password
        options = {
            "headers": {"Authorization": encode_basic_auth(login, password)} if login else {},
            "timeout": ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS),
        }
        return HTTPFileSystem(simple_links=False, encoded=True, client_kwargs=options, skip_instance_cache=True)

    def info(self, files: AbstractFileSystem, path: str) -> dict[str, Any]:
        """Look at a file. fsspec's own way takes a server that does not answer for a file that is not there."""
        status, headers = self._asked(files, path, "HEAD", {"Accept-Encoding": "identity"})
        if status != HTTPStatus.OK or "Content-Length" not in headers:
            raise UnreadableFileError(
                f"{path}: the server does not say how large it is (status {status}).",
                "Let it answer HEAD requests with a Content-Length.",
            )
        return {
            "name": path,
            "type": "file",
            "size": int(headers["Content-Length"]),
            "Last-Modified": headers.get("Last-Modified"),
        }

    def allows_ranges(self, files: AbstractFileSystem, path: str) -> bool:
        """Whether the server gives a part of a file when it is asked for one."""
        return self._asked(files, path, "GET", {"Range": "bytes=0-0"})[0] == HTTPStatus.PARTIAL_CONTENT

    def read_range(self, files: AbstractFileSystem, path: str, start: int, end: int) -> bytes:
        """Read the bytes of a file from start up to end, or as far as it reaches."""
        try:
            return cast("bytes", files.cat_file(path, start=start, end=end))
        except ClientResponseError as error:
            if error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return b""
            _raise_for(error.status, path)
            raise

    def _asked(
        self, files: AbstractFileSystem, path: str, method: str, headers: dict[str, str]
    ) -> tuple[int, dict[str, str]]:
        """Ask for a file without reading its content; return status and headers."""

        async def ask() -> tuple[int, dict[str, str]]:
            session = await files.set_session()
            async with session.request(
                method, files.encode_url(path), headers=headers, allow_redirects=True
            ) as response:
                return response.status, dict(response.headers)

        status, found = sync(files.loop, ask)
        _raise_for(status, path)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ConnectionError(f"the server answers with status {status}")
        return status, found


def _raise_for(status: int, path: str) -> None:
    """Raise what a file system would where a server says that something is not there or not allowed."""
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise PermissionError(f"{path}: the server answers with status {status}")
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise FileNotFoundError(f"{path}: the server answers with status {status}")
