"""Objects of a store that speaks S3."""

from dataclasses import dataclass
from typing import cast

from aiohttp import ClientError
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError as BotoClientError
from fsspec import AbstractFileSystem
from s3fs import S3FileSystem

from message_tracking.transports.remote import CONNECT_SECONDS, SILENT_SECONDS, Transport


@dataclass(frozen=True)
class S3(Transport):
    """Objects of a store that speaks S3. `root` is the bucket and, behind a slash, what the keys begin with."""

    @property
    def transient_errors(self) -> tuple[type[Exception], ...]:
        """What is raised where a connection cannot be made or breaks."""
        return (OSError, BotoCoreError, ClientError)

    def shown(self, path: str) -> str:
        """Name a path in messages."""
        return f"s3://{path.lstrip('/')}"

    def path(self, folder: str) -> str:
        """Name a folder of the source to the file system."""
        return f"{self.root.strip('/')}/{folder}".rstrip("/")

    def connect(self) -> AbstractFileSystem:
        """Make a client; it connects with the first request."""
        extra = self.connection.extra
        files = S3FileSystem(
            # Without a login the keys are those that the machine itself was given.
            key=self.connection.login or None,
            secret=self.connection.password or None,
            token=extra.get("aws_session_token"),
            endpoint_url=extra.get("endpoint_url"),
            client_kwargs={"region_name": extra["region_name"]} if extra.get("region_name") else {},
            config_kwargs={
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": SILENT_SECONDS,
                "retries": {"total_max_attempts": 1},
            },
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        files.retries = 1  # whoever asks tries again
        return files

    def read_range(self, files: AbstractFileSystem, path: str, start: int, end: int) -> bytes:
        """Read the bytes of an object from start up to end, or as far as it reaches."""
        try:
            return cast("bytes", files.cat_file(path, start=start, end=end))
        except OSError as error:
            told = error.__cause__
            if isinstance(told, BotoClientError) and told.response["Error"]["Code"] == "InvalidRange":
                return b""
            raise
