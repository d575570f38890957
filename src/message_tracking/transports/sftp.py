"""Files of a machine that is reached by SSH."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import paramiko
from fsspec import AbstractFileSystem
from fsspec.implementations.sftp import SFTPFileSystem

from message_tracking.errors import ConfigurationError, UnreadableFileError
from message_tracking.transports.remote import CONNECT_SECONDS, SILENT_SECONDS, Transport

_SSH_PORT = 22


@dataclass(frozen=True)
class Sftp(Transport):
    """Files of a machine that is reached by SSH, and that proves to be the one that the connection names."""

    @property
    def transient_errors(self) -> tuple[type[Exception], ...]:
        """What is raised where a connection cannot be made or breaks."""
        return (OSError, EOFError, paramiko.SSHException)

    def shown(self, path: str) -> str:
        """Name a path in messages."""
        port = "" if self._port == _SSH_PORT else f":{self._port}"
        return f"sftp://{self.connection.host}{port}/{path.lstrip('/')}"

    def path(self, folder: str) -> str:
        """Name a folder of the source to the file system."""
        return f"{self.root.rstrip('/')}/{folder}".rstrip("/") or "/"

    def connect(self) -> AbstractFileSystem:
        """Log in. Raises ConfigurationError or UnreadableFileError where trying again is of no use."""
        self.connection.require("host", "login")
        extra = self.connection.extra
        try:
            files = SFTPFileSystem(
                self.connection.host,
                port=self._port,
                username=self.connection.login,
                password=self.connection.password or None,
                key_filename=extra.get("key_file"),
                pkey=self._private_key(),
                passphrase=extra.get("private_key_passphrase"),
                timeout=CONNECT_SECONDS,
                banner_timeout=CONNECT_SECONDS,
                auth_timeout=CONNECT_SECONDS,
                allow_agent=False,
                look_for_keys=False,
                host_key_policy=_KnownHostsOnly(extra),
                skip_instance_cache=True,
            )
        except paramiko.AuthenticationException as error:
            raise UnreadableFileError(
                f"{self.shown('')} does not let {self.connection.login} in.",
                f"Put the password or the key of the connection {self.connection.name} right.",
            ) from error
        files.ftp.get_channel().settimeout(SILENT_SECONDS)
        return files

    def read_range(self, files: AbstractFileSystem, path: str, start: int, end: int) -> bytes:
        """Read the bytes of a file from start up to end, or as far as it reaches; without waiting for each piece."""
        with files.ftp.open(path, "rb") as stream:
            # One span, not many: of many, paramiko asks for what it has got already once more, piece by piece.
            return b"".join(stream.readv([(start, end - start)]))

    @property
    def _port(self) -> int:
        return self.connection.port or _SSH_PORT

    def _private_key(self) -> Any:
        text = self.connection.extra.get("private_key")
        if not text:
            return None
        for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
            try:
                return kind.from_private_key(StringIO(text), self.connection.extra.get("private_key_passphrase"))
            except (paramiko.SSHException, ValueError):
                continue
        raise ConfigurationError(
            f"The private key of the connection {self.connection.name} cannot be read.",
            "Give it as ssh-keygen writes it, with its passphrase, if it has one, in private_key_passphrase.",
        )


class _KnownHostsOnly(paramiko.MissingHostKeyPolicy):
    """Refuses every machine whose key is neither the connection's nor in the file of known hosts."""

    def __init__(self, extra: Mapping[str, Any]) -> None:
        self._host_key = str(extra.get("host_key") or "")
        self._file = Path(extra.get("known_hosts") or "~/.ssh/known_hosts").expanduser()

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        if self._is_known(hostname, key):
            return
        fingerprint = b64encode(sha256(key.asbytes()).digest()).decode().rstrip("=")
        raise UnreadableFileError(
            f"{hostname} shows a host key that is not known, SHA256:{fingerprint}.",
            f"If that is its key, put it into the connection's extra as host_key, or with the host's name into "
            f"{self._file}: {key.get_name()} {key.get_base64()}",
        )

    def _is_known(self, hostname: str, key: paramiko.PKey) -> bool:
        if self._host_key:
            return self._host_key.split()[-1] == key.get_base64()
        known = paramiko.HostKeys()
        if self._file.exists():
            known.load(str(self._file))
        return bool(known.check(hostname, key))
