"""A wire to the server that breaks: one connection is cut at the n-th statement, before it arrives or before its answer."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

from message_tracking.warehouse import Warehouse

STATEMENT, ANSWER = "statement", "answer"
_COUNTED = {STATEMENT: b"Qdcf", ANSWER: b"Qc"}
"""Kinds of messages that can get lost: queries, and the parts and ends of a COPY. Parts of a COPY are not answered."""
_HEAD = struct.Struct("!cI")


class Wire:
    """Between clients and the server of a warehouse; `cut_at` n loses the n-th statement (from 1) or its answer."""

    def __init__(self, warehouse: Warehouse, lost: str = STATEMENT, cut_at: int | None = None) -> None:
        parts = urlsplit(warehouse.url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        login = parts.netloc.rpartition("@")[0]
        address = f"{login}@127.0.0.1:{self._listener.getsockname()[1]}"
        self.warehouse = Warehouse(parts._replace(netloc=address, query="sslmode=disable&gssencmode=disable").geturl())
        self.lost = lost
        self.cut_at = cut_at
        self.statements: list[str] = []
        self._lock = threading.Lock()

    @property
    def is_cut(self) -> bool:
        """Whether the moment has come."""
        return self.cut_at is not None and len(self.statements) >= self.cut_at

    @property
    def last_statement(self) -> str:
        """The statement that was lost, or whose answer was, for messages."""
        return self.statements[-1] if self.statements else "nothing"

    def __enter__(self) -> "Wire":
        """Begin."""
        self._in_thread(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; connections that are open stay until their clients go."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = _Connection(self, client, server)
                self._in_thread(connection.forward)
                self._in_thread(connection.answer)

    def count(self, kind: bytes, body: bytes) -> bool:
        """Note a message of a client; whether it is the one to be lost."""
        if kind not in _COUNTED[self.lost]:
            return False
        with self._lock:
            if self.is_cut:
                return False
            self.statements.append(
                body.rstrip(b"\0").decode(errors="replace") if kind == b"Q" else f"COPY {kind.decode()}"
            )
            return self.is_cut

    @staticmethod
    def _in_thread(run: Callable[[], None]) -> None:
        threading.Thread(target=run, daemon=True).start()


class _Connection:
    """One connection through the wire."""

    def __init__(self, wire: Wire, client: socket.socket, server: socket.socket) -> None:
        self.wire = wire
        self.client = client
        self.server = server
        self.loses_answer = False

    def forward(self) -> None:
        """Pass on what the client says, message by message."""
        stream = self.client.makefile("rb")
        with suppress(OSError, struct.error):
            # Only the first message has no kind.
            start = stream.read(4)
            self.server.sendall(start + stream.read(struct.unpack("!I", start)[0] - 4))
            while head := stream.read(_HEAD.size):
                kind, length = _HEAD.unpack(head)
                body = stream.read(length - 4)
                is_lost = self.wire.count(kind, body)
                self.loses_answer = is_lost and self.wire.lost == ANSWER
                if is_lost and not self.loses_answer:
                    break
                self.server.sendall(head + body)
        if not self.loses_answer:
            self.cut()

    def answer(self) -> None:
        """Pass on what the server says."""
        with suppress(OSError):
            while (said := self.server.recv(1 << 16)) and not self.loses_answer:
                self.client.sendall(said)
        self.cut()

    def cut(self) -> None:
        """Break off on both sides, without a farewell."""
        for one in (self.client, self.server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
