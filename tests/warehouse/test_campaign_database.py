"""Reference data out of a Campaign database gives the marts that the same data as exports gives."""

import csv
import shutil

import psycopg2
import pytest
from psycopg2.extras import execute_values
from tests.transports.campaign import campaign_database

from message_tracking.loading.campaign_tables import CampaignTable, campaign_table
from message_tracking.loading.reference_tables import BOOLEAN, reference_table
from message_tracking.sources import Source

KINDS = ("deliveries", "messages", "tracked_urls", "recipients", "exclusions")
OTHER_COLUMNS = {"tracked_urls": {"content_part": "sContentPart"}, "exclusions": {"reason": "sReason"}}
SOURCES = """
sources:
  - {name: campaign, kind: folder, path: landing/campaign, exports: none}
  - name: campaign_database
    kind: postgres
    connection: campaign_database
    path: neolane
    columns: {tracked_urls: {content_part: sContentPart}, exclusions: {reason: sReason}}
"""


@pytest.fixture
def campaign(server, monkeypatch):
    """A database whose address is a connection of the environment."""
    with campaign_database(server) as campaign:
        campaign.execute(
            "alter table neolane.NmsTrackingUrl add sContentPart text",
            "alter table neolane.NmsExcludeLogRcp add sReason text, alter iExcludeLogId add generated always as identity",
            "insert into neolane.NmsBroadLogMsg select code, code from generate_series(0, 30) as code",
        )
        there = campaign.connection()
        address = f"postgresql://{there.login}:{there.password}@127.0.0.1:{there.port}/{there.schema}"
        monkeypatch.setenv("AIRFLOW_CONN_CAMPAIGN_DATABASE", address)
        yield campaign


def fill(campaign, kind, export, at: CampaignTable):
    """Write the rows of an export into its table in the way that Campaign does."""
    table = reference_table(kind)

    def value(ours, text):
        if ours == "address_domain":
            return f"Somebody@{text}"
        if table.columns.get(ours) == BOOLEAN:
            return int(text == "true")
        return text or None

    with export.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = [ours for ours in rows[0] if at.columns[ours]]
    names = [at.columns[ours].replace("NmsBroadLogMsg.iFailureReason", "iMsgId") for ours in columns]
    with psycopg2.connect(campaign.url) as session, session.cursor() as cursor:
        execute_values(
            cursor,
            f"insert into neolane.{at.table} ({', '.join(names)}) values %s",
            [[value(ours, row[ours]) for ours in columns] for row in rows],
        )
    session.close()


def test_the_marts_are_those_that_exports_give(pipeline, landing, golden, campaign, shown, one_feed):
    case = golden("second-case")
    source = Source(
        name="campaign_database", kind="postgres", connection="x", path=landing.folder, columns=OTHER_COLUMNS
    )
    for kind in KINDS:
        export = case / "exports" / f"{kind}.csv"
        if export.exists():
            fill(campaign, kind, export, campaign_table(source, reference_table(kind)))
    shutil.copytree(case, landing.folder, ignore=shutil.ignore_patterns("expected*", "exports"))
    pipeline.settings.sources_file.write_text(SOURCES)
    assert pipeline.run() is not None
    assert all(summary.failed_files == [] for summary in pipeline.load())
    assert shown() == one_feed(case)
