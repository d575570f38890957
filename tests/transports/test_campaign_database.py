"""A Campaign database that reference data is pulled from, whatever happens on the way and to its tables."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.transports.campaign import READER, Campaign, campaign_database
from tests.transports.counterparts import SECRET

from message_tracking.embedded import EmbeddedServer
from message_tracking.errors import MessageTrackingError, UnreadableFileError
from message_tracking.loading import database_pull
from message_tracking.loading.delivery_data import load_delivery_data
from message_tracking.loading.summary import LoadSummary
from message_tracking.sources import Source
from message_tracking.transports import campaign_database as transport
from message_tracking.transports.connections import SourceConnection
from message_tracking.transports.opening import open_source
from message_tracking.warehouse import Warehouse, fetch_all

BROADLOGS = 100_000
ROWS = f"""
    set search_path = neolane;
    insert into NmsDelivery (iDeliveryId) values (0);
    insert into NmsDelivery values
        (1000, 'DM1000', 'Été', null, 0, 95, 0, 0, 1, 7, 12, 2, 10, 0, 0, '2026-01-05 08:00+01', null, now()),
        (-5, 'DM-5', 'Proof', '', 0, 95, 1, 0, 1, null, 1, 0, 1, 0, 0, null, null, null);
    insert into NmsBroadLogMsg values (0, 0, ''), (9, 5, 'mailbox full');
    insert into NmsBroadLogRcp
    select number, 1000, number, 'p' || number || '@Example.NET', 1, case number % 10 when 0 then 9 end, 0,
        '2026-01-05 08:00+00', now() - interval '3 days'
    from generate_series(0, {BROADLOGS}) as number;
    insert into NmsTrackingUrl values
        (1001, 1000, 1, E'Shop \\t and "more"', null, 'https://www.example/', 0, null, now());
    insert into NmsRecipient (iRecipientId) values (0);
    insert into NmsRecipient values (1, 'Ada', E'Löv\\\\elace', 'p1@example.net', 2, now());
    insert into NmsExcludeLogRcp values (1, 1000, 7, 9, now());
"""


@pytest.fixture(autouse=True)
def short_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in several statements."""
    monkeypatch.setattr(database_pull, "ROWS_PER_STATEMENT", 30_000)


@pytest.fixture
def campaign(server: EmbeddedServer) -> Iterator[Campaign]:
    """A database with all tables and rows in them."""
    with campaign_database(server) as campaign:
        campaign.execute(ROWS)
        yield campaign


@pytest.fixture
def load(campaign: Campaign, warehouse: Warehouse) -> Callable[..., LoadSummary]:
    """Pull; what is given goes into the sources file."""

    def load_now(*, accept_columns: bool = False, **options: Any) -> LoadSummary:
        source = Source(
            name="campaign", kind="postgres", connection="campaign_database", path=Path("neolane"), **options
        )
        files = open_source(source, lambda _: campaign.connection())
        return load_delivery_data(warehouse, files, accept_columns=accept_columns)

    return load_now


@pytest.fixture
def query(warehouse: Warehouse) -> Callable[[str], list[tuple[Any, ...]]]:
    """Ask the warehouse."""

    def ask(text: str) -> list[tuple[Any, ...]]:
        with closing(warehouse.connect("test")) as session:
            return fetch_all(session, text)

    return ask


CURRENT_MESSAGES = "select count(*), count(distinct message_id) from raw.messages where superseded_by_load_id is null"


def test_all_tables_are_pulled_and_then_what_was_changed(campaign, load, query):
    summary = load()
    assert (summary.failed_files, summary.warnings) == ([], [])
    assert (summary.files, summary.accepted, summary.line_count) == (5, BROADLOGS + 5, BROADLOGS + 5)
    assert query(CURRENT_MESSAGES) == [(BROADLOGS, BROADLOGS)]
    assert query("select * from raw.messages where message_id in (9, 10) order by message_id") == [
        (2, None, number, 1000, number, "example.net", 1, reason, False, *times)
        for (number, reason), times in zip(
            ((9, None), (10, 5)), query("select event_at, modified_at from raw.messages limit 2"), strict=True
        )
    ]
    deliveries = "select delivery_id, label, delivery_code, is_proof, campaign_id, contact_at::text from raw.deliveries"
    assert query(f"{deliveries} order by 1") == [
        (-5, "Proof", "", True, None, None),
        (1000, "Été", "", False, 7, "2026-01-05 07:00:00+00"),
    ]
    assert query("select label, content_part, offer_id from raw.tracked_urls") == [('Shop \t and "more"', "", None)]
    assert query("select first_name, last_name from raw.recipients") == [("Ada", "Löv\\elace")]
    assert query("select recipient_id, reason from raw.exclusions") == [(7, "5")]

    ledger = "select count(*) from ops.file_ledger"
    before = query(ledger)
    again = load()
    assert (again.accepted, again.failed_files, query(ledger)) == (0, [], before)
    assert again.line_count < 10

    campaign.execute(
        "update neolane.NmsBroadLogRcp set iStatus = 2, tsLastModified = now() where iBroadLogId = 42",
        # Committed late: it says that it is older than the last pull.
        "update neolane.NmsBroadLogRcp set iStatus = 2, tsLastModified = now() - interval '50 min' where iBroadLogId = 43",
    )
    assert load().accepted == 2
    assert query("select message_id from raw.messages where status = 2 order by 1") == [(42,), (43,)]


@pytest.mark.parametrize("brought", [1_000, 300_000, 2_500_000])
def test_a_transfer_that_is_cut_goes_on(campaign, load, query, brought):
    campaign.line.cut_after = brought
    summary = load()
    assert (summary.failed_files, summary.accepted) == ([], BROADLOGS + 5)
    assert campaign.line.cut_after is None
    assert query(CURRENT_MESSAGES) == [(BROADLOGS, BROADLOGS)]


def test_a_database_that_is_down_is_named_and_nothing_is_lost(campaign, load):
    campaign.line.is_down = True
    with pytest.raises(
        UnreadableFileError, match=r"The source campaign: .* cannot be reached, 5 times in a row"
    ) as told:
        load()
    assert f"127.0.0.1:{campaign.line.port}/" in str(told.value)
    assert SECRET not in str(told.value)
    campaign.line.is_down = False
    assert load().accepted == BROADLOGS + 5


def test_a_login_that_is_refused_is_not_tried_again(campaign, load):
    campaign.password = "wrong-secret-wrong"
    with pytest.raises(UnreadableFileError, match="password authentication failed") as told:
        load()
    assert campaign.password not in str(told.value)


def test_a_slow_line_brings_all(campaign, load):
    campaign.line.bytes_per_second = 4_000_000
    assert load().accepted == BROADLOGS + 5


def test_a_line_that_hangs_is_cut_and_asked_again(campaign, load, query, monkeypatch):
    monkeypatch.setattr(transport, "_SILENCE_SECONDS", 1)
    campaign.line.hang_after = 500_000
    assert load(most_seconds_per_statement=1).accepted == BROADLOGS + 5
    assert campaign.line.hang_after is None
    assert query(CURRENT_MESSAGES) == [(BROADLOGS, BROADLOGS)]


def test_a_statement_that_takes_too_long_is_ended_and_nothing_of_it_counts(campaign, load, query):
    campaign.execute(
        """
        set search_path = neolane;
        alter table NmsRecipient rename to people;
        create view NmsRecipient as select *, pg_sleep(3)::text as nothing from people order by nothing;
        grant select on NmsRecipient to campaign_reader;
        """
    )
    (failed,) = load(most_seconds_per_statement=1).failed_files
    assert failed.file_name == "NmsRecipient"
    assert "a statement took longer than 1 s" in failed.reason
    assert query("select count(*) from raw.recipients") == [(0,)]
    assert query("select count(*) from ops.file_ledger where status = 'failed'") == [(1,)]


def test_only_reads_of_the_tables_are_asked_for(campaign, load):
    """The login may write; the session may not."""
    campaign.execute(f"grant all on all tables in schema neolane to {READER}")
    campaign.execute(
        "create function neolane.write() returns integer language sql as "
        "$$ insert into neolane.NmsBroadLogMsg values (77) returning iBroadLogMsgId $$",
        "drop table neolane.NmsExcludeLogRcp",
        "create view neolane.NmsExcludeLogRcp as select 1 as iDeliveryId, neolane.write() as iRecipientId, "
        "0 as iMsgId, now() as tsLastModified",
        f"grant select on neolane.NmsExcludeLogRcp to {READER}",
    )
    (failed,) = load().failed_files
    assert failed.file_name == "NmsExcludeLogRcp"
    assert "read-only transaction" in failed.reason


def test_columns_that_change_stop_their_table_and_no_other(campaign, load, query):
    assert load().failed_files == []
    campaign.execute(
        "alter table neolane.NmsRecipient alter iEmailFormat type text",
        "alter table neolane.NmsTrackingUrl alter iOccurrence type bigint, add sTagId text",
        "alter table neolane.NmsDelivery drop sLabel, add iStep smallint",
        "update neolane.NmsBroadLogRcp set iStatus = 2, tsLastModified = now() where iBroadLogId = 42",
    )
    summary = load()
    refused = {failed.file_name: failed.reason for failed in summary.failed_files}
    assert refused.keys() == {"NmsRecipient", "NmsTrackingUrl", "NmsDelivery"}
    assert "the column iEmailFormat (email_format) is of type text, which is no integer" in refused["NmsRecipient"]
    assert "nmstrackingurl.ioccurrence was smallint and is bigint" in refused["NmsTrackingUrl"]
    assert "the column sLabel (label) is missing" in refused["NmsDelivery"]
    assert "istep" in refused["NmsDelivery"]
    assert summary.accepted == 1

    summary = load(accept_columns=True, columns={"deliveries": {"label": None}, "recipients": {"email_format": None}})
    assert summary.failed_files == []
    assert {warning.rpartition(": ")[2] for warning in summary.warnings} == {
        "nmsdelivery.istep",
        "nmstrackingurl.stagid",
    }
    assert load(columns={"deliveries": {"label": None}, "recipients": {"email_format": None}}).warnings == []


def test_a_type_that_is_accepted_stays_so_and_other_names_read_all_again(campaign, load, query):
    load()
    campaign.execute("alter table neolane.NmsTrackingUrl alter iOccurrence type bigint")
    assert len(load().failed_files) == 1
    assert load(accept_columns=True).failed_files == []
    assert load().failed_files == []

    campaign.execute("alter table neolane.NmsBroadLogRcp add iOther smallint default 7")
    load()
    named = {"messages": {"status": "iOther"}}
    assert load(columns=named).accepted == BROADLOGS
    assert query("select distinct status from raw.messages where superseded_by_load_id is null") == [(7,)]
    assert load(columns=named).line_count < 10


def test_tables_and_columns_may_have_other_names_and_another_clock(campaign, load, query):
    campaign.execute(
        """
        set search_path = neolane;
        alter table NmsBroadLogRcp rename to "CusBroadLogContract";
        alter table "CusBroadLogContract" rename sAddress to "sDomain";
        alter table "CusBroadLogContract" alter tsEvent type timestamp using '2026-07-05 08:00',
            alter tsLastModified type timestamp;
        drop table NmsExcludeLogRcp;
        create table Consent (iRecipientId integer, sPurpose text, iAllowed smallint, tsEffective timestamptz);
        insert into Consent select number, unnest(array['tracking', 'Äpfel', 'a-b', 'ab']), 0, '2026-01-05'
        from generate_series(1, 20000) as number;
        grant select on Consent to campaign_reader;
        """
    )
    summary = load(
        time_zone="Europe/Paris",
        tables={"messages": "CusBroadLogContract", "consents": "Consent"},
        columns={
            "messages": {"address_domain": "sDomain", "failure_reason": None, "is_seed": None},
            "consents": {
                "recipient_id": "iRecipientId",
                "purpose": "sPurpose",
                "is_allowed": "iAllowed",
                "effective_at": "tsEffective",
            },
        },
    )
    (failed,) = summary.failed_files
    assert "there is no table NmsExcludeLogRcp" in failed.reason
    assert query("select distinct address_domain, failure_reason, is_seed, event_at::text from raw.messages") == [
        ("example.net", None, None, "2026-07-05 06:00:00+00")
    ]
    assert query("select count(*), bool_or(is_allowed) from raw.consents") == [(80_000, False)]


def test_a_value_that_does_not_fit_stops_its_table(campaign, load, query):
    campaign.execute(
        "alter table neolane.NmsBroadLogRcp alter iStatus type bigint using 1::bigint << 40",
    )
    (failed,) = load().failed_files
    assert "integer out of range" in failed.reason
    assert query("select count(*) from raw.messages") == [(0,)]


def test_a_connection_that_says_too_little_is_named(warehouse):
    source = Source(name="campaign", kind="postgres", connection="campaign_database", path=Path("neolane"))
    with pytest.raises(MessageTrackingError, match="campaign_database has no login and no schema"):
        open_source(source, lambda name: SourceConnection(name, host="127.0.0.1"))
