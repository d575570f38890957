"""The files of a source, by the kind that the sources file says it is."""

import os
from typing import TYPE_CHECKING

from message_tracking.source_files import FileTree, SourceFiles
from message_tracking.sources import Source
from message_tracking.transports.campaign_database import CampaignDatabase, NoFiles
from message_tracking.transports.connections import Connections, environment_connections
from message_tracking.transports.local import LocalTree

if TYPE_CHECKING:
    from message_tracking.transports.remote import Transport


def open_source(source: Source, connections: Connections | None = None) -> SourceFiles:
    """Return what lies in a source. Nothing is looked at yet.

    Its connection is looked up in the environment, unless `connections` knows better.
    Raises ConfigurationError where there is no such connection.
    """
    connections = connections or environment_connections(os.environ)
    if source.kind == "postgres":
        database = CampaignDatabase(
            connections(source.connection or ""), str(source.path), source.most_seconds_per_statement
        )
        return SourceFiles(source, NoFiles(database), database)
    return SourceFiles(source, _tree(source, connections))


def _tree(source: Source, connections: Connections) -> FileTree:
    if source.kind == "folder":
        return LocalTree(source.path)
    # Only who reads from other machines pays for the imports.
    from message_tracking.transports.remote import Link, RemoteTree  # noqa: PLC0415

    transport = _transport(source.kind)(connections(source.connection or ""), str(source.path))
    return RemoteTree(Link(transport, source.most_bytes_per_second))


def _transport(kind: str) -> "type[Transport]":
    match kind:
        case "sftp":
            from message_tracking.transports.sftp import Sftp  # noqa: PLC0415

            return Sftp
        case "s3":
            from message_tracking.transports.s3 import S3  # noqa: PLC0415

            return S3
        case _:
            from message_tracking.transports.http import Http  # noqa: PLC0415

            return Http
