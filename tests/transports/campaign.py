"""A PostgreSQL that plays the database of a Campaign instance, behind a line."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from tests.conftest import execute, new_database
from tests.transports.counterparts import SECRET, Line

from message_tracking.embedded import SUPERUSER, EmbeddedServer
from message_tracking.transports.connections import SourceConnection

READER = "campaign_reader"
TABLES = """
    create schema neolane;
    set search_path = neolane;
    create table NmsDelivery (
        iDeliveryId integer primary key, sInternalName varchar(64), sLabel varchar(128), sDeliveryCode varchar(64),
        iMessageType smallint, iState integer, iFCP smallint, iIsModel smallint, iTypologyId integer,
        iOperationId integer, iTotalTarget integer, iReject integer, iToDeliver integer, iText integer,
        iNewQuarantine integer, tsContact timestamptz, tsValidity timestamptz, tsLastModified timestamptz
    );
    create table NmsBroadLogRcp (
        iBroadLogId integer primary key, iDeliveryId integer, iRecipientId integer, sAddress varchar(512),
        iStatus smallint, iMsgId integer, iIsSeed smallint, tsEvent timestamptz, tsLastModified timestamptz
    );
    create table NmsBroadLogMsg (iBroadLogMsgId integer primary key, iFailureReason smallint, sText text);
    create table NmsTrackingUrl (
        iTrackingUrlId integer primary key, iDeliveryId integer, iType smallint, sLabel varchar(255),
        sCategory varchar(100), sSource varchar(1000), iOccurrence smallint, iOfferId integer,
        tsLastModified timestamptz
    );
    create table NmsRecipient (
        iRecipientId integer primary key, sFirstName varchar(30), sLastName varchar(50), sEmail varchar(128),
        iEmailFormat smallint, tsLastModified timestamptz
    );
    create table NmsExcludeLogRcp (
        iExcludeLogId integer primary key, iDeliveryId integer, iRecipientId integer, iMsgId integer,
        tsLastModified timestamptz
    );
    create index on NmsBroadLogRcp (tsLastModified);
"""


class Campaign:
    """The database, changed with all rights and read with those of a login that may only read."""

    def __init__(self, url: str, line: Line) -> None:
        self.url = url
        self.line = line
        self.password = SECRET

    def execute(self, *statements: str) -> None:
        """Change it, as Campaign does."""
        execute(self.url, *statements)

    def connection(self) -> SourceConnection:
        """What leads to it."""
        database = self.url.rpartition("/")[2]
        return SourceConnection(
            "campaign_database", "postgres", "127.0.0.1", self.line.port, READER, self.password, database
        )


@contextmanager
def campaign_database(server: EmbeddedServer) -> Iterator[Campaign]:
    """Make a database with all tables, empty, and a login that may read them."""
    execute(server.url(SUPERUSER), f"create role {READER} login password '{SECRET}'")
    with new_database(server, "template0") as name:
        url = server.url(SUPERUSER).rpartition("/")[0] + "/" + name
        execute(url, TABLES, f"grant usage on schema neolane to {READER}")
        execute(url, f"grant select on all tables in schema neolane to {READER}")
        line = Line(psycopg2.extensions.parse_dsn(url)["port"])
        yield Campaign(url, line)
        line.close()
    execute(server.url(SUPERUSER), f"drop role {READER}")
