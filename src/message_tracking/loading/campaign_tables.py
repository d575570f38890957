"""Where the columns of the reference data are in a Campaign database (spec §1.3), and how each of them is read.

Of what no documentation names, the name is the one that Campaign's naming rules would give; instances differ, so a
source can name others (`tables` and `columns` of the sources file).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql

from message_tracking.errors import UnreadableFileError
from message_tracking.loading.reference_tables import BIGINT, BOOLEAN, INTEGER, MODIFIED_AT, TEXT, TIME, ReferenceTable
from message_tracking.sources import Source

MESSAGES_OF_FAILURES = "NmsBroadLogMsg"
"""The table that says why a message was not sent; a column of it is named with the table."""


@dataclass(frozen=True)
class CampaignTable:
    """One kind of reference data in the database."""

    table: str
    columns: Mapping[str, str]
    """Ours → theirs, '' where Campaign has none."""


_TABLES = {
    "deliveries": CampaignTable(
        "NmsDelivery",
        {
            "delivery_id": "iDeliveryId",
            "internal_name": "sInternalName",
            "label": "sLabel",
            "delivery_code": "sDeliveryCode",
            "channel": "iMessageType",
            "state": "iState",
            "is_proof": "iFCP",
            "is_model": "iIsModel",
            "typology_id": "iTypologyId",
            "campaign_id": "iOperationId",
            "target_count": "iTotalTarget",
            "rejected_count": "iReject",
            "to_deliver_count": "iToDeliver",
            "text_count": "iText",
            "new_quarantine_count": "iNewQuarantine",
            "contact_at": "tsContact",
            "validity_at": "tsValidity",
            "modified_at": "tsLastModified",
        },
    ),
    "messages": CampaignTable(
        "NmsBroadLogRcp",
        {
            "message_id": "iBroadLogId",
            "delivery_id": "iDeliveryId",
            "recipient_id": "iRecipientId",
            "address_domain": "sAddress",
            "status": "iStatus",
            "failure_reason": "NmsBroadLogMsg.iFailureReason",
            "is_seed": "iIsSeed",
            "event_at": "tsEvent",
            "modified_at": "tsLastModified",
        },
    ),
    "tracked_urls": CampaignTable(
        "NmsTrackingUrl",
        {
            "url_id": "iTrackingUrlId",
            "delivery_id": "iDeliveryId",
            "type": "iType",
            "label": "sLabel",
            "category": "sCategory",
            "source_url": "sSource",
            "occurrence": "iOccurrence",
            "content_part": "",
            "offer_id": "iOfferId",
            "modified_at": "tsLastModified",
        },
    ),
    "recipients": CampaignTable(
        "NmsRecipient",
        {
            "recipient_id": "iRecipientId",
            "first_name": "sFirstName",
            "last_name": "sLastName",
            "email": "sEmail",
            "email_format": "iEmailFormat",
            "modified_at": "tsLastModified",
        },
    ),
    "exclusions": CampaignTable(
        "NmsExcludeLogRcp",
        {
            "delivery_id": "iDeliveryId",
            "recipient_id": "iRecipientId",
            "reason": "NmsBroadLogMsg.iFailureReason",
            "modified_at": "tsLastModified",
        },
    ),
}
_MESSAGE_LINK, _MESSAGE_KEY = "iMsgId", "iBroadLogMsgId"

_NUMBERS = ("smallint", "integer", "bigint", "numeric")
_READABLE = {
    TEXT: ("character varying", "text", "character", *_NUMBERS),
    BIGINT: _NUMBERS,
    INTEGER: _NUMBERS,
    BOOLEAN: ("boolean", *_NUMBERS),
    TIME: ("timestamp with time zone", "timestamp without time zone", "date"),
}


def campaign_table(source: Source, table: ReferenceTable) -> CampaignTable | None:
    """Say where a kind of reference data is in the database of a source; None where Campaign has no such table."""
    known = _TABLES.get(table.name)
    name = source.tables.get(table.name) or (known.table if known else "")
    if not name:
        return None
    named = {ours: theirs or "" for ours, theirs in source.columns.get(table.name, {}).items()}
    columns = dict.fromkeys(table.columns, "") | (dict(known.columns) if known else {}) | named
    return CampaignTable(name, columns)


@dataclass(frozen=True)
class FoundTable:
    """A table as the database has it."""

    name: str
    columns: dict[str, tuple[str, str]]
    """Name in lower case → name as it is, data type as information_schema names it."""


@dataclass(frozen=True)
class Reading:
    """How a kind of reference data is read from the tables that were found, each by its name in lower case."""

    table: ReferenceTable
    at: CampaignTable
    source: Source
    found: Mapping[str, FoundTable]

    def check(self) -> None:
        """Raise UnreadableFileError with all that is missing or of a type that cannot be read as ours."""
        if self.at.table.lower() not in self.found:
            raise UnreadableFileError(
                f"there is no table {self.at.table} that can be read in the schema {self.source.path}.",
                f"Name another one: `tables: {{{self.table.name}: …}}` of the source.",
            )
        faults = [fault for ours, theirs in self._used().items() if (fault := self._fault(ours, theirs))]
        if faults:
            raise UnreadableFileError(
                f"{'; '.join(faults)}. {self.at.table} has: {', '.join(self._names())}.",
                f"Name other columns, or none (`null`), in `columns: {{{self.table.name}: …}}` of the source.",
            )

    @property
    def is_dated(self) -> bool:
        """Whether rows say when they were changed."""
        return bool(self.at.columns.get(MODIFIED_AT))

    @property
    def columns(self) -> dict[str, str]:
        """Data type of each column of the tables that are read, by its name with its table."""
        tables = {self._place(theirs)[0] for theirs in self._used().values()}
        return {
            f"{self.found[table].name}.{name}": data_type
            for table in sorted(tables)
            for name, data_type in self.found[table].columns.values()
        }

    @property
    def used_columns(self) -> set[str]:
        """Names, with their tables, of the columns that are read."""
        places = map(self._place, self._used().values())
        return {f"{self.found[table].name}.{self.found[table].columns[name][0]}" for table, name in places}

    def select(self, since: datetime | None, after: tuple[Any, ...], most_rows: int) -> sql.Composed:
        """Write the query of the next rows in the order of the key: those changed since, whose key is above `after`.

        Campaign's own record 0, which is in each of its tables, is left out.
        """
        keys = [self._key(column) for column in self.table.key]
        conditions: list[sql.Composable] = [
            sql.SQL("{} <> 0" if self.table.columns[column] == BIGINT else "{} is not null").format(key)
            for column, key in zip(self.table.key, keys, strict=True)
        ]
        if after:
            values = sql.SQL(", ").join(map(sql.Literal, after))
            conditions.append(sql.SQL("({}) > ({})").format(sql.SQL(", ").join(keys), values))
        if since is not None:
            conditions.append(self._changed_since(since))
        return sql.SQL("select 0, {columns} from {tables} where {conditions} order by {key} limit {most_rows}").format(
            columns=sql.SQL(", ").join(self._expression(ours, kind) for ours, kind in self.table.columns.items()),
            tables=self._tables(),
            conditions=sql.SQL(" and ").join(conditions),
            key=sql.SQL(", ").join(keys),
            most_rows=sql.Literal(most_rows),
        )

    def _key(self, column: str) -> sql.Composable:
        """A column of the key in an order that is the same in every database; of numbers the one that has an index."""
        kind = self.table.columns[column]
        if kind == BIGINT:
            return self._identifier(self.at.columns[column])
        expression = self._expression(column, kind)
        return sql.SQL('{} collate "C"').format(expression) if kind == TEXT else expression

    def _changed_since(self, since: datetime) -> sql.Composable:
        """The column itself stands on one side, so that an index on it serves."""
        theirs = self.at.columns[MODIFIED_AT]
        table, name = self._place(theirs)
        if self.found[table].columns[name][1] == "timestamp with time zone":
            return sql.SQL("{} >= {}").format(self._identifier(theirs), sql.Literal(since))
        there = sql.SQL("{} at time zone {}").format(sql.Literal(since), sql.Literal(self.source.time_zone))
        return sql.SQL("{} >= {}").format(self._identifier(theirs), there)

    def _used(self) -> dict[str, str]:
        """Ours → theirs, of the columns that are read."""
        used = {ours: theirs for ours, theirs in self.at.columns.items() if theirs}
        if any(theirs.lower().startswith(f"{MESSAGES_OF_FAILURES.lower()}.") for theirs in used.values()):
            used |= {"(link)": _MESSAGE_LINK, "(linked)": f"{MESSAGES_OF_FAILURES}.{_MESSAGE_KEY}"}
        return used

    def _fault(self, ours: str, theirs: str) -> str | None:
        table, name = self._place(theirs)
        found = self.found[table].columns.get(name) if table in self.found else None
        if found is None:
            return f"the column {theirs} ({ours}) is missing"
        kind = TIME if ours == MODIFIED_AT else self.table.columns.get(ours, BIGINT)
        if found[1] not in _READABLE[kind]:
            return f"the column {theirs} ({ours}) is of type {found[1]}, which is no {kind}"
        return None

    def _names(self) -> list[str]:
        return sorted(name for name, _ in self.found[self.at.table.lower()].columns.values())

    def _place(self, theirs: str) -> tuple[str, str]:
        """Table and column of a name, both in lower case."""
        table, _, name = theirs.rpartition(".")
        return (table or self.at.table).lower(), name.lower()

    def _identifier(self, theirs: str) -> sql.Composable:
        table, name = self._place(theirs)
        return sql.Identifier(table, self.found[table].columns[name][0])

    def _expression(self, ours: str, kind: str) -> sql.Composable:
        theirs = self.at.columns[ours]
        if not theirs:
            return sql.SQL("''" if kind == TEXT else "null")
        table, name = self._place(theirs)
        column, data_type = self._identifier(theirs), self.found[table].columns[name][1]
        if ours == "address_domain":
            # A whole address is nobody's business here.
            return sql.SQL("lower(regexp_replace(coalesce({}, ''), '^.*@', ''))").format(column)
        if kind == TEXT:
            return sql.SQL("coalesce({}::text, '')").format(column)
        if kind == BOOLEAN and data_type != "boolean":
            return sql.SQL("{} <> 0").format(column)
        if kind == TIME and data_type != "timestamp with time zone":
            return sql.SQL("{}::timestamp at time zone {}").format(column, sql.Literal(self.source.time_zone))
        return sql.SQL("{}::{}").format(column, sql.SQL(kind))

    def _tables(self) -> sql.Composable:
        table = sql.SQL("{} as {}").format(self._relation(self.at.table), sql.Identifier(self.at.table.lower()))
        if "(link)" not in self._used():
            return table
        linked = MESSAGES_OF_FAILURES.lower()
        return sql.SQL("{} left join {} as {} on {} = {}").format(
            table,
            self._relation(linked),
            sql.Identifier(linked),
            self._identifier(f"{self.at.table}.{_MESSAGE_LINK}"),
            self._identifier(f"{linked}.{_MESSAGE_KEY}"),
        )

    def _relation(self, table: str) -> sql.Identifier:
        return sql.Identifier(str(self.source.path), self.found[table.lower()].name)
