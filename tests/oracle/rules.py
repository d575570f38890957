"""The rules that the oracle follows, each one replaceable so that a test can plant a mistake."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What the seeds and dbt variables of the judgement hold (docs/actors.md), said once more so that a changed one is noticed.
MACHINE_AGENTS = {
    "Mozilla/5.0": "prefetch_agent",
    "%GoogleImageProxy%": "image_proxy_agent",
    "%YahooMailProxy%": "image_proxy_agent",
    "%OutlookImageProxy%": "image_proxy_agent",
}
IMAGE_PROXY_NETWORKS = (
    "66.249.80.0/20 66.102.0.0/20 74.125.0.0/16"  # Google
    " 40.92.0.0/15 40.96.0.0/13 40.107.0.0/16 52.96.0.0/14 52.100.0.0/14 104.47.0.0/17"  # Microsoft
)
GATEWAY_NETWORKS = (
    "67.231.144.0/20 148.163.128.0/19 185.132.180.0/22 205.220.160.0/20"  # Proofpoint
    " 91.220.42.0/24 103.13.69.0/24 124.47.150.0/24 146.101.78.0/24 185.58.84.0/22 195.130.217.0/24"  # Mimecast
    " 205.139.110.0/23 207.211.30.0/23 207.211.41.0/24 216.205.24.0/24"
    " 64.235.144.0/20 209.222.80.0/21"  # Barracuda
)
CLICK_WEIGHTS = {
    "crawler_agent": 100,
    "image_proxy_agent": 100,
    "prefetch_agent": 100,
    "no_agent": 40,
    "machine_network": 50,
    "soon_after_delivery": 30,
    "link_pair": 40,
    "link_burst": 70,
    "link_sweep": 100,
    "opt_out_in_burst": 40,
    "lure_link": 100,
    "beside_scan": 100,
}
OPEN_WEIGHTS = {"crawler_agent": 100, "no_agent": 50, "beside_scan": 100}


def _constant(value: Any) -> Any:
    return field(default_factory=lambda: value, hash=False)


@dataclass(frozen=True)
class Rules:
    """One field per rule; the defaults are the right ones.

    Text fields are DuckDB expressions over the tables that `relations.py` makes, the others steer the reading of files.
    """

    # Log files and lines: design §6, spec §2
    carriage_return_is_stripped: bool = True
    last_line_of_a_gzip_counts: bool = True
    unfinished_line_waits: bool = True
    reject_limit_holds: bool = True
    other_encodings_are_accepted: bool = True
    address_is_checked: bool = True
    fraction_is_decimal: bool = True
    source_time_zone_holds: bool = True
    ids_are_signed: bool = True
    log_id_is_upper_case: bool = True
    repeated_lines_count_once: bool = True
    log_id_names_its_source: bool = True
    prefix_is_case_sensitive: bool = True

    # Reference data: design §4.2
    newer_row_replaces: bool = True
    modified_at_decides: bool = True
    equally_old_row_replaces: bool = True
    offset_of_times_holds: bool = True
    exclusion_key: tuple[str, ...] = ("delivery_id", "recipient_id")

    # Reactions: design §4.3 and §5
    open_window_microseconds: int = 60_000_000
    opens_are_deduplicated: bool = True
    open_window_starts_at_kept: bool = True
    open_window_is_per_delivery: bool = True
    opens_without_message_are_kept: bool = True
    person_case_is_folded: bool = True
    empty_requester_is_nobody: bool = True
    first_parameter_holds: bool = True
    parameters_are_url_decoded: bool = True
    day_is_local: bool = True
    image_proxies_say_nothing: bool = True
    half_hour_minutes: int = 30
    repeated_hour_stays_two: bool = True

    message_of: str = "messages.delivery_id = events.delivery_id and messages.message_id = events.message_id"
    url_of: str = "urls.delivery_id = events.delivery_id and urls.url_id = events.url_id"
    url_label: str = "case when coalesce(urls.label, '') = '' then urls.source_url else urls.label end"
    event_type: str = """case
        when events.url_id = 1 then 'open'
        when urls.type = 1 then 'click'
        when urls.type = 3 then 'opt_out'
        when urls.type = 4 then 'web'
        when urls.type = 5 then 'transaction'
        when urls.type = 6 then 'mirror_page'
        else 'unknown' end"""
    sent_at: str = "case when messages.status = 1 then coalesce(messages.event_at, contact_at) else contact_at end"
    bucket: str = "epoch_us(occurred_at) // 300000000"

    # Consent: design §5, spec §7.12
    consent: str = "purpose = 'tracking'"
    chooser: str = "nullif(placed.recipient_id, 0)"
    since: str = ">="
    withdrawn: str = "not chosen.is_allowed"
    observed: str = "not is_withdrawn"

    # Who caused an event: docs/actors.md
    crawlers_in_any_case: bool = True
    named_machines_are_no_crawlers: bool = True
    machine_agents: Mapping[str, str] = _constant(MACHINE_AGENTS)
    agents_in_any_case: bool = True
    address_place: int = 0
    network_bits: Mapping[int, int] = _constant({4: 24, 6: 64})
    machine_networks: str = f"{IMAGE_PROXY_NETWORKS} {GATEWAY_NETWORKS}"
    image_proxy_networks: str = IMAGE_PROXY_NETWORKS
    soon_microseconds: int = 900_000_000
    link_types: tuple[str, ...] = ("click", "opt_out", "mirror_page")
    lure_category: str = "lure"
    lures_in_any_case: bool = False
    no_address_is_no_network: bool = True
    burst_gap_microseconds: int = 5_000_000
    burst_runs_from_link_to_link: bool = True
    burst_is_per_delivery: bool = True
    burst_is_per_message: bool = True
    burst_is_per_network: bool = True
    burst_counts_distinct_links: bool = True
    burst_rules: Mapping[int, str] = _constant({2: "link_pair", 3: "link_burst", 5: "link_sweep"})
    links_of_opt_out_in_burst: int = 2
    beside_microseconds: int = 60_000_000
    beside_before_and_after: bool = True
    beside_is_per_network: bool = True
    beside_is_per_message: bool = True
    beside_is_contagious: bool = False
    scans_are_beside_scans: bool = False
    beside_is_looked_for: bool = True
    prefetches_are_scans: bool = False
    message_0_is_no_message: bool = True
    click_weights: Mapping[str, int] = _constant(CLICK_WEIGHTS)
    open_weights: Mapping[str, int] = _constant(OPEN_WEIGHTS)
    scanner_weight: int = 100
    unknown_weight: int = 50
    order_of_classes: tuple[str, ...] = ("scanner", "prefetch", "image_proxy", "unknown")
    every_reason_is_named: bool = True
    automatic_classes: tuple[str, ...] = ("prefetch", "scanner")
    people_have_duplicates_of_their_own: bool = True

    everybody: str = "is_counted"
    people: str = "human_is_counted"
    stream: str = "is_counted or human_is_counted"

    # Measures of a delivery: spec §4.1
    described: str = "join"
    last_event_rows: str = "kept"
    success: str = "status = 1 and is_seed is not true"
    error: str = "status = 2 and is_seed is not true"
    processed: str = "status in (1, 2) and is_seed is not true"
    complaint: str = "status = 2 and failure_reason = 8 and is_seed is not true"
    click: str = "event_type = 'click'"
    somebody: str = "message_id <> 0"
    recipient_opened: str = "true"
    visited_page: str = "event_type in ('web', 'transaction')"
    with_amount: str = "event_type = 'transaction'"
    with_articles: str = "event_type = 'transaction'"
    text_count: str = "coalesce(text_count, 0)"
    nothing_to_estimate: str = "to_deliver_count is null or to_deliver_count = 0 or text_count >= to_deliver_count"
    rounded: str = "(2 * part + base) // (2 * base)"
    reactivity_base: str = "estimated_recipient_open_count"
    rate_base: str = "success_count"

    # Platform averages: design §4.3, spec §8.20
    platform_kind: str = "peer.is_proof is not true and peer.is_model is not true"
    platform_typology: str = "peer.typology_id is not distinct from self.typology_id"
    platform_channel: str = "peer.channel is not distinct from self.channel"
    platform_start: str = "peer.contact_at >= self.window_start_at"
    platform_end: str = "peer.contact_at <= self.contact_at"
    platform_average: str = "ratio(sum(peer.{part}), sum(peer.{base}))"
    window_is_local: bool = True
    window_days: int | None = None
    window_is_clipped: bool = True

    # URLs and click streams: spec §4.3
    link: str = "url_id <> 1"
    unknown_link: str = "false"
    listed: str = "true"
    share_base: str = "click_count"
    url_order: str = "click_count desc, label, url_id"
    name_order: str = "click_count desc, name"
    merged_label: str = "label"
    listed_category: str = "true"

    # Tracking statistics: spec §4.4
    reached: str = "100 * cumulated_count >= percent * total_count"
    bucket_end: str = "bucket_at + interval 5 minutes"
    pareto_origin: str = "contact_at"

    # User activities: spec §4.6
    active_click: str = "event_type = 'click'"

    # Sharing: spec §4.10
    networks: tuple[str, ...] = ("email", "facebook", "twitter", "delicious", "digg", "google", "linkedin")
    shared: str = "links.category = networks.category"
    listed_network: str = "true"
    sharing_base: str = "to_deliver_count"

    # Breakdown of opens, browsers and operating systems: spec §4.8 and §4.9
    opened_with: str = "event_type = 'open'"
    visited_with: str = "event_type in ('click', 'web', 'transaction')"
    in_totals: str = "described.is_proof is not true and described.is_model is not true"
    visitor: str = "coalesce(person_id, case when message_id <> 0 then delivery_id || ':' || message_id end)"
    page_of_visitor: str = "click_count > 0"
    usage_base: str = "day_visitor_count"
    relative_name: str = "activity_date, name"

    # Hot clicks: spec §4.5
    shown_links: str = "type in (1, 3, 6) or has_offer"
    offer: str = "coalesce(offer_id, 0) <> 0"
    drawn: str = "coalesce(type = 1, false) and not has_offer"
    found: str = "coalesce(link_count, 0) >= occurrence + 1"
    drawn_without_body: str = "true"
    links_are_unescaped: bool = True
    comments_hold_no_links: bool = True
    only_anchors_are_links: bool = True
    text_links_end_before_punctuation: bool = True

    # Delivery summary: spec §4.11
    rejected_base: str = "described.target_count"
    summary_base: str = "described.to_deliver_count"
    exclusions_of: str = "partition by delivery_id"

    # Message engagement: design §4.3
    engaged_message: str = "true"
    engaged_stranger: str = "true"
    opened: str = "open_count > 0"

    # Domains and bounces: design §4.3, spec §4.2 block 3, §4.7, §4.12
    alias_of: str = "lower(alias) = lower(address_domain)"
    message_domain: str = "coalesce(domain, 'Others')"
    stray_reaction: str = "true"
    hard_bounce: str = "failure_reason = 1"
    soft_bounce: str = "failure_reason in (2, 3, 4, 5, 6, 20)"
    bounce_base: str = "processed_count"
    complaint_base: str = "success_count"
    domain_rate_base: str = "success_count"
    domain_click: str = "recipient_click_count"
    domain_person: str = "person_id"
    listed_reason: str = "true"
    contribution_of: str = "delivery_id"
    breakdown_base: str = "domains.processed_count"
