"""Real servers that a source is read from, each behind a line that can be cut, slowed down or taken away."""

import base64
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import paramiko
import pytest
import requests
from moto.server import ThreadedMotoServer

from message_tracking.transports.connections import SourceConnection

SECRET = "correct-horse-battery-staple"
"""In every connection; to be found nowhere else."""
LOGIN = "reader"
_SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Line:
    """A port of this machine that leads to another one."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.cut_after: int | None = None
        """Breaks a connection off, once, when it has brought so many bytes."""
        self.hang_after: int | None = None
        """Brings nothing any more over a connection, once, when it has brought so many bytes; does not end it."""
        self.bytes_per_second: int | None = None
        self.is_down = False
        self.brought = 0
        """Bytes that came from the server."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._is_closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take the line away."""
        self._is_closed.set()
        self._listener.close()
        self.break_off()

    def break_off(self) -> None:
        """End every connection that is open."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_down:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self.target))
                self._ends += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, giver: socket.socket, taker: socket.socket, is_answer: bool) -> None:
        brought = 0
        with suppress(OSError):
            while data := giver.recv(1 << 14):
                if is_answer:
                    brought += len(data)
                    self.brought += len(data)
                    if self.bytes_per_second:
                        time.sleep(len(data) / self.bytes_per_second)
                    if self.cut_after is not None and brought > self.cut_after:
                        self.cut_after = None
                        break
                    if self.hang_after is not None and brought > self.hang_after:
                        self.hang_after = None
                        self._is_closed.wait()
                taker.sendall(data)
        for end in (giver, taker):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Counterpart(ABC):
    """A server with a folder of files, and the line to it."""

    kind: str
    root: str
    line: Line
    gives_ranges = True
    secret = SECRET

    @abstractmethod
    def put(self, path: str, content: bytes) -> None:
        """Write a file, given its path below the source's, in place of an earlier one."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Take a file away."""

    @abstractmethod
    def connection(self, password: str | None = None) -> SourceConnection:
        """How it is reached; with its secret unless another one is given."""

    @contextmanager
    def checked_secrets(self) -> Iterator[None]:
        """Let the server look at secrets, should it not do so anyway."""
        yield


class Files(Counterpart):
    """A server that shows a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, path: str, content: bytes) -> None:
        """Write a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def delete(self, path: str) -> None:
        """Take a file away."""
        (self.folder / path).unlink()


class SftpServer(Files):
    """OpenSSH's."""

    kind = "sftp"

    def __init__(self, folder: Path, keys: Path, line: Line) -> None:
        super().__init__(folder)
        self.root = str(folder)
        self.keys = keys
        self.line = line

    def connection(self, password: str | None = None) -> SourceConnection:
        """Log in by a key, whose passphrase is the secret."""
        return SourceConnection(
            "tracking_files",
            kind="sftp",
            host="127.0.0.1",
            port=self.line.port,
            login=os.environ.get("USER") or subprocess.check_output(["id", "-un"], text=True).strip(),
            extra={
                "key_file": str(self.keys / "reader"),
                "private_key_passphrase": password or self.secret,
                "host_key": (self.keys / "host.pub").read_text().split()[1],
            },
        )


@contextmanager
def sftp_server(folder: Path) -> Iterator[SftpServer]:
    """Run OpenSSH's server as this user."""
    if _SSHD is None:
        pytest.skip("OpenSSH's server is not installed: apt-get install openssh-server")
    keys = folder / "keys"
    (folder / "files").mkdir(parents=True)
    keys.mkdir(mode=0o700)
    host, reader = paramiko.RSAKey.generate(2048), paramiko.RSAKey.generate(2048)
    host.write_private_key_file(str(keys / "host"))
    reader.write_private_key_file(str(keys / "reader"), password=SECRET)
    (keys / "host.pub").write_text(f"ssh-rsa {host.get_base64()}\n")
    (keys / "authorized").write_text(f"ssh-rsa {reader.get_base64()}\n")
    port = free_port()
    (keys / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/authorized\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        # Which the system's own start would make.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (
        (keys / "log").open("w") as log,
        subprocess.Popen(
            [_SSHD, "-D", "-e", "-f", str(keys / "config")], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as process,
    ):
        await_port(port)
        line = Line(port)
        try:
            yield SftpServer(folder / "files", keys, line)
        finally:
            line.close()
            process.terminate()


class S3Server(Counterpart):
    """Moto's."""

    kind = "s3"

    def __init__(self, port: int, line: Line) -> None:
        self.line = line
        # Moto's servers of one process share their buckets.
        self.bucket = f"tracking-{secrets.token_hex(4)}"
        self.root = f"{self.bucket}/campaign"
        self.address = f"http://127.0.0.1:{port}"
        self.login, self.secret = self._make_user()
        self._client = self._call("s3")
        self._client.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    def _call(self, service: str) -> Any:
        login = {"aws_access_key_id": self.login, "aws_secret_access_key": self.secret}
        return boto3.client(service, endpoint_url=self.address, region_name="eu-west-1", **login)

    def _make_user(self) -> tuple[str, str]:
        """Make one who may do everything with this server's buckets; return the key and its secret."""
        self.login, self.secret, name = LOGIN, SECRET, f"reader-{secrets.token_hex(4)}"
        iam = self._call("iam")
        iam.create_user(UserName=name)
        rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(rights))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    @contextmanager
    def checked_secrets(self) -> Iterator[None]:
        """Let moto look at keys and rights, which it does not unless it is told to."""
        self._let_in_unasked("0")
        try:
            yield
        finally:
            self._let_in_unasked("inf")

    def _let_in_unasked(self, requests_count: str) -> None:
        requests.post(f"{self.address}/moto-api/reset-auth", data=requests_count, timeout=10).raise_for_status()

    def put(self, path: str, content: bytes) -> None:
        """Write an object."""
        self._client.put_object(Bucket=self.bucket, Key=f"campaign/{path}", Body=content)

    def delete(self, path: str) -> None:
        """Take an object away."""
        self._client.delete_object(Bucket=self.bucket, Key=f"campaign/{path}")

    def connection(self, password: str | None = None) -> SourceConnection:
        """Name the store and the keys."""
        extra = {"endpoint_url": f"http://127.0.0.1:{self.line.port}", "region_name": "eu-west-1"}
        return SourceConnection(
            "tracking_files", kind="aws", login=self.login, password=password or self.secret, extra=extra
        )


@contextmanager
def s3_server(_: Path) -> Iterator[S3Server]:
    """Run moto's server."""
    port = free_port()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    line = Line(port)
    try:
        yield S3Server(port, line)
    finally:
        line.close()
        server.stop()


class _Handler(SimpleHTTPRequestHandler):
    """Lists folders, and gives parts of files to whoever has the password."""

    protocol_version = "HTTP/1.1"
    knows_ranges = True

    def do_GET(self) -> None:
        """Send a file, a part of it or the list of a folder."""
        path = Path(self.translate_path(self.path))
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not self._is_let_in():
            return
        if not (asked and self.knows_ranges and path.is_file()):
            super().do_GET()
            return
        content = path.read_bytes()
        first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
        if first >= len(content):
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(content[first : last + 1])

    def do_HEAD(self) -> None:
        """Say how large a file is."""
        if self._is_let_in():
            super().do_HEAD()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _is_let_in(self) -> bool:
        wanted = base64.b64encode(f"{LOGIN}:{SECRET}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {wanted}":
            return True
        self.send_error(HTTPStatus.UNAUTHORIZED)
        return False


class _WholeFilesHandler(_Handler):
    """Gives no parts."""

    knows_ranges = False


class WebServer(Files):
    """Python's."""

    kind = "http"
    root = "/"

    def __init__(self, folder: Path, line: Line, gives_ranges: bool) -> None:
        super().__init__(folder)
        self.line = line
        self.gives_ranges = gives_ranges

    def connection(self, password: str | None = None) -> SourceConnection:
        """Log in by password."""
        return SourceConnection(
            "tracking_files",
            kind="http",
            host="127.0.0.1",
            port=self.line.port,
            login=LOGIN,
            password=password or self.secret,
        )


@contextmanager
def web_server(folder: Path, handler: type[_Handler] = _Handler) -> Iterator[WebServer]:
    """Run a web server."""
    (folder / "files").mkdir(parents=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder / "files"))) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        line = Line(server.server_address[1])
        try:
            yield WebServer(folder / "files", line, handler.knows_ranges)
        finally:
            line.close()
            server.shutdown()


COUNTERPARTS = {
    "sftp": sftp_server,
    "s3": s3_server,
    "http": web_server,
    "http-without-ranges": partial(web_server, handler=_WholeFilesHandler),
}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def await_port(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {port}")
