"""The marts equal an independent reading of the spec and the design (tests/oracle), every column of every row.

That the comparison can fail is shown in both directions: mistakes planted in the models are all found here, and mistakes
planted in the reading of the same edge case in tests/oracle/test_mistakes.py.
"""

import shutil
from dataclasses import replace
from typing import NamedTuple

import pytest
from tests.oracle import edge_case
from tests.oracle.comparing import RELATIONS, differences
from tests.oracle.expecting import SourceFolder, expected_relations

from message_tracking.building import build
from message_tracking.pipeline import be_quiet
from message_tracking.publication import abandon, open_candidate
from message_tracking.sample import SampleOptions, generate_sample, lay_worked_example
from message_tracking.warehouse import fetch_all


@pytest.fixture
def person_key(connection) -> bytes:
    ((key,),) = fetch_all(connection, "select key from ops.person_key")
    return bytes(key)


@pytest.fixture
def with_sources(pipeline):
    """Let the pipeline read these folders."""

    def take(sources: list[SourceFolder]) -> None:
        file = pipeline.settings.sources_file
        file.write_text(
            "sources:\n"
            + "".join(
                f"  - {{name: {source.name}, kind: folder, path: '{source.path}', time_zone: {source.time_zone}, "
                f"reject_limit: {source.reject_limit}}}\n"
                for source in sources
            )
        )

    return take


@pytest.fixture
def candidate(pipeline):
    """Build everything anew from a copy of the dbt project with texts replaced; the schema audit shows it."""
    folder = pipeline.settings.home / "project"
    opened = []

    def build_candidate(replacements: list[tuple[str, str, str]]) -> None:
        if opened:
            abandon(pipeline.warehouse, opened[-1], "the next one comes")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(pipeline.settings.dbt_project, folder / "dbt_project")
        for file, old, new in replacements:
            path = folder / "dbt_project" / file
            text = path.read_text()
            assert old in text, f"{file} no longer holds {old!r}"
            path.write_text(text.replace(old, new))
        number = open_candidate(pipeline.warehouse, "test", full=True).publication_id
        opened.append(number)
        build(pipeline.warehouse, replace(pipeline.settings, project=folder), number, be_quiet)

    return build_candidate


ZONE = ("dbt_project.yml", "reporting_time_zone: UTC", f"reporting_time_zone: {edge_case.TIME_ZONE}")


@pytest.fixture
def edges(with_sources, golden, tmp_path):
    """The sources of the second golden case and of the edge case."""
    sources = [
        SourceFolder("campaign", golden("second-case")),
        *edge_case.write_sources(tmp_path / "edges"),
    ]
    with_sources(sources)
    return sources


def test_a_large_sample(pipeline, settings, with_sources, person_key, warehouse, connection):
    landing = settings.home / "landing"
    generate_sample(SampleOptions(lines=210_000, deliveries=40), landing / "campaign")
    lay_worked_example(landing / "golden")
    sources = [SourceFolder("campaign", landing / "campaign"), SourceFolder("golden", landing / "golden")]
    with_sources(sources)
    pipeline.run()
    expected = expected_relations(sources, person_key=person_key)
    assert differences(expected, warehouse.url) == []
    assert differences(expected, warehouse.url, "marts_private", ["recipients"]) == []
    assert expected.execute("select count(*) > 150000 from tracking_events").fetchone() == (True,)
    assert fetch_all(connection, "select count(*) >= 200000 from raw.events") == [(True,)]


def test_the_edges(pipeline, candidate, edges, person_key, warehouse):
    pipeline.load()
    candidate([ZONE])
    right = expected_relations(edges, person_key=person_key, time_zone=edge_case.TIME_ZONE)
    assert differences(right, warehouse.url, "audit", RELATIONS) == []


class Planted(NamedTuple):
    """A mistake in a model: what replaces what in which file, and the relation and the begin of what must differ in it."""

    file: str
    old: str
    new: str
    relation: str
    what: str


COUNTS = "models/intermediate/int_deliveries__counts.sql"
AVERAGES = "models/intermediate/int_deliveries__platform_averages.sql"
LINKED = "models/intermediate/int_tracking_events__linked.sql"
OBSERVED = "models/intermediate/int_tracking_events__observed.sql"
EVENTS = "models/intermediate/int_tracking_events__judged.sql"
AGENTS = "models/intermediate/int_user_agents__rules.sql"
ENGAGEMENT = "models/marts/click_stream/message_engagement.sql"
ACTIVITY = "models/marts/statistics/user_activity.sql"
SHARING = "models/marts/sharing/sharing_activity.sql"
STATISTICS = "models/marts/statistics/tracking_statistics.sql"
HOT_CLICKS = "models/marts/hot_clicks/hot_clicks.sql"
DELIVERIES = "models/marts/deliveries/deliveries.sql"
SUMMARY = "models/marts/deliveries/delivery_summary.sql"
EXCLUSIONS = "models/marts/deliveries/delivery_exclusions.sql"
DOMAINS = "models/intermediate/int_domains__counts.sql"
DOMAIN_INDICATORS = "models/marts/domains/domain_indicators.sql"
BOUNCES = "models/marts/domains/bounces.sql"


def reason(expected: str, found: str) -> str:
    return f"actor_reason: expected {expected!r}, found {found!r}"


def actor(expected: str, found: str) -> str:
    return f"actor_class: expected {expected!r}, found {found!r}"


MISSING, TOO_MANY = "a row expected is not found", "a row found is not expected"

# One build each; within a group no mistake can cause what another one is seen by.
PLANTED = {
    "links": [
        Planted("models/marts/click_stream/url_label_clicks.sql", "sum(click_count)::", "max(click_count)::", "url_label_clicks", "click_count"),
        Planted("models/marts/click_stream/url_category_clicks.sql", "click_count desc,", "click_count asc,", "url_category_clicks", "rank"),
        Planted("models/marts/click_stream/url_clicks_by_day.sql", "{{ reporting_time('tracking_buckets.bucket_at') }}", "tracking_buckets.bucket_at", "url_clicks_by_day", MISSING),
        Planted(STATISTICS, ">= cumulated.{{ human }}total_count", "> cumulated.{{ human }}total_count", "tracking_statistics", "seconds_to_percent"),
        Planted(ACTIVITY, "interval '30 minutes'", "interval '60 minutes'", "user_activity", MISSING),
        Planted("models/marts/user_agents/open_breakdown.sql", "and event_type = 'open'", "", "open_breakdown", "open_count"),
        Planted("macros/visitor_statistics.sql", "group by change, activity_date, visitor_id", "group by change, activity_date, visitor_id, name", "browser_statistics", "day_visitor_count"),
        Planted(HOT_CLICKS, "url_type = 1 and offer_id = 0", "url_type = 1", "hot_clicks", "is_drawn"),
        Planted(SUMMARY, "'deliveries.success_count', 'deliveries.to_deliver_count'", "'deliveries.success_count', 'deliveries.target_count'", "delivery_summary", "success_rate"),
        Planted(EXCLUSIONS, "of_delivery as (partition by exclusions.delivery_id)", "of_delivery as ()", "delivery_exclusions", "exclusion_share"),
        Planted(ENGAGEMENT, "engaged.open_count > 0 as", "engaged.open_count + engaged.click_count > 0 as", "message_engagement", "has_opened"),
        Planted(AVERAGES, "(not deliveries.is_proof and not deliveries.is_model)::integer", "1", "delivery_indicators", "platform_reactivity_rate"),
        Planted(DOMAINS, "not message_changes.is_seed and message_statuses.is_error and failure_reasons.is_hard", "failure_reasons.is_hard", "domain_indicators", "hard_bounce_count"),
        Planted(BOUNCES, "over (partition by domain_bounces.delivery_id)", "over (partition by domain_bounces.delivery_id, domain_bounces.domain)", "bounces", "contribution_rate"),
        Planted(EVENTS, "filter (where not {{ is_automatic('actor_class') }}) ", "", "tracking_events", "human_is_counted: expected 'false', found 'true'"),
    ],
    "windows": [
        Planted(EVENTS, "coalesce(occurred_at < last", "coalesce(occurred_at <= last", "tracking_events", MISSING),
        Planted("models/intermediate/int_persons__clicks.sql", "and event_type = 'click'", "", "delivery_indicators", "person_click_count"),
        Planted(STATISTICS, " + interval '5 minutes'", "", "tracking_statistics", "seconds_to_percent"),
        Planted(ACTIVITY, "bucket_at - (shown_time - date_bin(interval '30 minutes', shown_time, timestamp '2000-01-01 00:00:00'))", "{{ from_reporting_time(\"date_bin(interval '30 minutes', shown_time, timestamp '2000-01-01')\") }}", "user_activity", MISSING),
        Planted(SHARING, "deliveries.delivery_id = url_category_clicks.delivery_id and", "", "sharing_activity", "share_count"),
        Planted("models/intermediate/int_visitors__pages.sql", "and is_in_totals", "", "browser_statistics", "visitor_count"),
        Planted(HOT_CLICKS, "> url_clicks.occurrence", ">= url_clicks.occurrence", "hot_clicks", "is_drawn"),
        Planted(AVERAGES, "partition by typology_id, channel", "partition by typology_id", "delivery_indicators", "platform_reactivity_rate"),
        Planted(DOMAIN_INDICATORS, "rate('complaint_count', 'success_count')", "rate('complaint_count', 'processed_count')", "domain_indicators", "complaint_rate"),
        Planted("models/intermediate/int_domains__bounces.sql", " and not message_changes.is_seed", "", "bounces", TOO_MANY),
        Planted(ENGAGEMENT, "and message_id <> 0\n),\n\nreactions", "\n),\n\nreactions", "message_engagement", TOO_MANY),
    ],
    "people": [
        Planted("models/staging/tracking/stg_tracking__events.sql", "lower(requester_uuid)", "requester_uuid", "tracking_events", "person_id"),
        Planted("models/staging/tracking/stg_tracking__user_agents.sql", "split_part(browser_version, '.', 1)", "browser_version", "browser_statistics", MISSING),
        Planted("models/marts/click_stream/tracking_buckets.sql", "1970-01-01 00:00:00", "1970-01-01 00:02:30", "tracking_buckets", MISSING),
        Planted(COUNTS, "{{ human }}is_counted and event_type = 'click'", "{{ human }}is_counted and event_type in ('click', 'opt_out')", "delivery_indicators", "total_click_count"),
        Planted(COUNTS, "not message_changes.is_seed and message_statuses.is_success", "message_statuses.is_success", "deliveries", "success_count"),
        Planted(DOMAINS, "and (event_type = 'opt_out' or", "and message_id <> 0 and (event_type = 'opt_out' or", "domain_indicators", MISSING),
        Planted("seeds/failure_reasons.csv", "20,Refused,false,true", "20,Rejected,false,false", "bounces", "failure_label"),
        Planted(ENGAGEMENT, "lower(engaged.address_domain)", "engaged.address_domain", "message_engagement", "domain"),
        Planted(AVERAGES, "order by moment_at, side", "order by moment_at, side desc", "delivery_indicators", "platform_reactivity_rate"),
    ],
    "measures": [
        Planted(LINKED, "on named.delivery_id = tracked_urls.delivery_id and named.url_id", "on named.url_id", "tracking_events", "url_type"),
        Planted(LINKED, "case when message_statuses.is_success then messages.event_at end", "messages.event_at", "tracking_events", "seconds_since_sent"),
        Planted("models/staging/tracking/stg_tracking__events.sql", "ops.url_parameter(parameters, 'amount')", "substring(parameters from 'amount=([^&]*)')", "delivery_indicators", "transaction_amount"),
        Planted("macros/rates.sql", "then round(", "then trunc(", "delivery_indicators", "estimated_total_open_count"),
        Planted(COUNTS, "message_changes.{{ human }}event_count > 0", "message_changes.{{ human }}has_opened", "delivery_indicators", "recipient_open_count"),
        Planted(COUNTS, "event_type in ('web', 'transaction')", "event_type = 'web'", "delivery_indicators", "visited_page_count"),
        Planted(SHARING, "'share_count', 'to_deliver_count'", "'share_count', 'to_deliver_count + 1'", "sharing_activity", "sharing_rate"),
        Planted("models/intermediate/int_persons__clicks.sql", "        domain,\n", "        'Others' as domain,\n", "domain_indicators", "person_click_count"),
        Planted(DOMAIN_INDICATORS, "rate('person_click_count', 'success_count')", "rate('recipient_click_count', 'success_count')", "domain_indicators", "person_click_rate"),
        Planted(DELIVERIES, "order by events.occurred_at desc", "order by events.occurred_at asc", "deliveries", "last_event_at"),
        Planted("models/marts/click_stream/url_clicks.sql", "'sum(click_count) over (partition by delivery_id)'", "'sum(click_count) filter (where url_type = 1) over (partition by delivery_id)'", "url_clicks", "click_share"),
        Planted("models/marts/click_stream/tracking_buckets.sql", "where is_counted or human_is_counted", "where is_counted", "tracking_buckets", MISSING),
    ],
    # Of the two columns that say who caused an event, each mistake changes other values.
    "actors": [
        Planted(OBSERVED, "<= {{ seconds('burst_gap_seconds') }}", "< {{ seconds('burst_gap_seconds') }}", "tracking_events", reason("link_pair", "")),
        Planted(OBSERVED, "('click', 'opt_out', 'mirror_page')", "('click', 'opt_out', 'mirror_page', 'web')", "tracking_events", reason("", "link_pair")),
        Planted(OBSERVED, "'bursts.link_count > 1 and bursts.has_opt_out'", "'bursts.has_opt_out'", "tracking_events", reason("", "opt_out_in_burst")),
        Planted(OBSERVED, "bursts.link_count >= ", "bursts.link_count > ", "tracking_events", reason("link_sweep", "")),
        Planted(OBSERVED, "events.seconds_since_sent < ", "events.seconds_since_sent <= ", "tracking_events", reason("", "soon_after_delivery")),
        Planted(OBSERVED, "events.is_known_url and events.url_category = '", "lower(events.url_category) = '", "tracking_events", reason("", "lure_link")),
        Planted(OBSERVED, " where machine_networks.fetches_images", "", "tracking_events", reason("", "image_proxy_network")),
        Planted(EVENTS, "and weighed.requester_network = scans.requester_network", "", "tracking_events", reason("", "beside_scan")),
        Planted(EVENTS, "weighed.occurred_at between scans.occurred_at - {{ seconds('beside_scan_seconds') }}", "weighed.occurred_at between scans.occurred_at", "tracking_events", reason("beside_scan", "")),
        Planted(AGENTS, " ilike ", " like ", "tracking_events", reason("image_proxy_agent", "crawler_agent")),
        Planted("dbt_project.yml", "unknown_weight: 50", "unknown_weight: 51", "tracking_events", actor("unknown", "person")),
        Planted("dbt_project.yml", "    prefetch_agent: 100", "    prefetch_agent: 60", "tracking_events", actor("scanner", "unknown")),
        Planted(EVENTS, "then 'f'", "then 'i'", "tracking_events", actor("prefetch", "image_proxy")),
    ],
    "networks": [
        Planted("seeds/machine_networks.csv", "66.249.80.0/20,Google,true", "66.249.80.0/20,Google,false", "tracking_events", reason("image_proxy_network", "")),
        Planted("seeds/machine_networks.csv", "67.231.144.0/20", "67.231.144.0/24", "tracking_events", reason("machine_network", "")),
        Planted("models/staging/tracking/stg_tracking__events.sql", "ops.network_of(client_ip)", "nullif(split_part(client_ip, ',', 1), '')::inet::cidr", "tracking_events", reason("link_pair", "")),
        Planted(AGENTS, "        when named.agent_rule is not null then named.agent_rule\n", "", "tracking_events", reason("image_proxy_agent", "crawler_agent")),
        Planted("dbt_project.yml", "    soon_after_delivery: 30", "    soon_after_delivery: 100", "tracking_events", actor("person", "scanner")),
    ],
    "consents": [
        Planted("models/intermediate/int_recipients__refusals.sql", "    where purpose = '{{ var('consent_purpose') }}' and", "    where", "tracking_events", MISSING),
        Planted(LINKED, "named.occurred_at >= refusals.refused_at", "named.occurred_at > refusals.refused_at", "tracking_events", TOO_MANY),
        Planted(OBSERVED, "        and not is_withdrawn\n", "", "tracking_events", reason("", "link_burst")),
    ],
    "audiences": [
        Planted("models/marts/click_stream/tracking_events.sql", "where events.is_counted or events.human_is_counted", "where events.is_counted", "tracking_events", MISSING),
        Planted(COUNTS, "{{ human }}is_counted and event_type = 'opt_out'", "is_counted and event_type = 'opt_out'", "delivery_indicators", "human_opt_out_click_count"),
        Planted("models/intermediate/int_persons__clicks.sql", " filter (where human_is_counted)", "", "delivery_indicators", "human_person_click_count"),
        Planted(AVERAGES, "rate(human ~ 'total_click_count'", "rate('total_click_count'", "delivery_indicators", "human_platform_cumulated_click_rate"),
        Planted(ENGAGEMENT, "min(occurred_at) filter (where {{ human }}is_counted and event_type = 'open')", "min(occurred_at) filter (where is_counted and event_type = 'open')", "message_engagement", "human_first_opened_at"),
        Planted("models/marts/click_stream/url_clicks.sql", "order by human_click_count desc", "order by click_count desc", "url_clicks", "human_rank"),
        Planted("models/marts/click_stream/url_clicks_by_day.sql", "sum(tracking_buckets.human_event_count)", "sum(tracking_buckets.event_count)", "url_clicks_by_day", "human_click_count"),
        Planted(STATISTICS, "sum(sum(human_event_count)) over whole", "sum(sum(event_count)) over whole", "tracking_statistics", "human_seconds_to_percent"),
        Planted(ACTIVITY, "sum(human_event_count)", "sum(event_count)", "user_activity", "human_event_count"),
        Planted(SHARING, "sum(url_category_clicks.human_click_count)", "sum(url_category_clicks.click_count)", "sharing_activity", "human_share_count"),
        Planted("models/marts/user_agents/open_breakdown.sql", "sum(by_user_agent.human_open_count)", "sum(by_user_agent.open_count)", "open_breakdown", "human_open_count"),
        Planted(DOMAINS, " and human_is_counted", "", "domain_indicators", "human_opt_out_click_count"),
        Planted(DOMAIN_INDICATORS, "'human_recipient_click_count', 'success_count'", "'recipient_click_count', 'success_count'", "domain_indicators", "human_click_rate"),
        Planted("models/intermediate/int_visitors__pages.sql", "where human_is_counted and event_type = 'click'", "where event_type = 'click'", "browser_statistics", "human_visitor_count"),
        Planted(HOT_CLICKS, "    human_click_share\nfrom", "    click_share as human_click_share\nfrom", "hot_clicks", "human_click_share"),
    ],
}  # fmt: skip


def test_mistakes_planted_in_the_models_are_found(pipeline, candidate, edges, person_key, warehouse):
    pipeline.load()
    expected = expected_relations(edges, person_key=person_key, time_zone=edge_case.TIME_ZONE)
    assert sum(map(len, PLANTED.values())) >= 20
    for group in PLANTED.values():
        candidate([ZONE, *((planted.file, planted.old, planted.new) for planted in group)])
        told = differences(expected, warehouse.url, "audit", RELATIONS, limit=1000)
        for planted in group:
            of_relation = [line for line in told if line.startswith(f"{planted.relation} (")]
            assert any(f"): {planted.what}" in line for line in of_relation), f"{planted} was not seen in {of_relation}"
