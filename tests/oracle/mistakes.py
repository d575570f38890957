"""Mistakes that a developer plausibly makes, each planted by changing one rule of the oracle."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from tests.oracle.rules import Rules

# name: (what is got wrong, the rule, what it says instead)
_PLANTED: dict[str, tuple[str, str, Any]] = {
    # Log files and lines
    "carriage-return-kept": ("A line that ends in CR LF is rejected", "carriage_return_is_stripped", False),
    "gzip-last-line-dropped": ("An unfinished last line of a gzip is dropped", "last_line_of_a_gzip_counts", False),
    "unfinished-line-read": ("The unfinished last line of a growing log is read", "unfinished_line_waits", False),
    "reject-limit-ignored": ("A file over its reject limit counts all the same", "reject_limit_holds", False),
    "other-encoding-rejected": ("A line that is not UTF-8 is rejected", "other_encodings_are_accepted", False),
    "address-unchecked": ("A line with an impossible address is accepted", "address_is_checked", False),
    "fraction-as-milliseconds": ("The fraction .96 is read as 96 ms", "fraction_is_decimal", False),
    "log-clock-as-utc": ("The source's time zone is ignored", "source_time_zone_holds", False),
    "unsigned-ids": ("Hex ids from 80000000 on stay positive", "ids_are_signed", False),
    "log-id-as-written": ("The event id keeps the log id's lower-case hex digits", "log_id_is_upper_case", False),
    "repeated-line-counted": (
        "A line that comes again in another file counts again",
        "repeated_lines_count_once",
        False,
    ),
    "log-id-across-sources": ("The same log id in another source is the same event", "log_id_names_its_source", False),
    "prefix-case-ignored": ("Prefixes that differ in case only are one", "prefix_is_case_sensitive", False),
    # Reference data
    "later-row-loses": ("The first reference row read stays", "newer_row_replaces", False),
    "last-read-row-wins": ("The reference row read last wins, however old", "modified_at_decides", False),
    "equally-old-row-loses": ("A reference row as old as the known one is ignored", "equally_old_row_replaces", False),
    "offset-ignored": ("The offset of an exported time is ignored", "offset_of_times_holds", False),
    "exclusion-by-recipient": (
        "Exclusions of a recipient from two deliveries are one row",
        "exclusion_key",
        ("recipient_id",),
    ),
    # Reactions
    "window-edge-dropped": (
        "An open exactly 60 s after the kept one is dropped",
        "open_window_microseconds",
        60_000_001,
    ),
    "opens-not-deduplicated": ("Repeated opens are kept", "opens_are_deduplicated", False),
    "window-from-last-open": ("The window runs from the last open, kept or not", "open_window_starts_at_kept", False),
    "window-across-deliveries": (
        "Opens of one message in two deliveries are duplicates",
        "open_window_is_per_delivery",
        False,
    ),
    "message-0-deduplicated": (
        "Opens of no message are duplicates of each other",
        "opens_without_message_are_kept",
        False,
    ),
    "person-case-sensitive": ("UUIDs that differ in case are two persons", "person_case_is_folded", False),
    "empty-requester-person": ("All clicks without a UUID are one person", "empty_requester_is_nobody", False),
    "last-parameter-holds": ("The last of two amounts or articles is taken", "first_parameter_holds", False),
    "parameters-undecoded": ("Parameters are read without URL decoding", "parameters_are_url_decoded", False),
    "day-in-utc": ("Clicks are put on the UTC day", "day_is_local", False),
    "hours-for-half-hours": ("Activity is shown by the hour", "half_hour_minutes", 60),
    "repeated-hour-melts": ("The hour that a clock shows twice is one", "repeated_hour_stays_two", False),
    "message-by-id-alone": (
        "A message of another delivery is known here",
        "message_of",
        "messages.message_id = events.message_id",
    ),
    "url-by-id-alone": ("A URL of another delivery is known here", "url_of", "urls.url_id = events.url_id"),
    "empty-label-stays": ("A URL without a label shows nothing", "url_label", "coalesce(urls.label, '')"),
    "type-2-is-open": (
        "A tracked URL of type 2 is an open, whatever its id",
        "event_type",
        Rules.event_type.replace("events.url_id = 1", "events.url_id = 1 or urls.type = 2"),
    ),
    "mirror-page-unknown": (
        "Mirror pages have no event type",
        "event_type",
        Rules.event_type.replace("when urls.type = 6 then 'mirror_page'", ""),
    ),
    "sent-at-contact": ("Seconds since sent run from the contact date", "sent_at", "contact_at"),
    "sent-whatever-status": (
        "A failure's time is taken as the time sent",
        "sent_at",
        "coalesce(messages.event_at, contact_at)",
    ),
    "boundary-in-earlier-bucket": (
        "An event on a bucket's boundary belongs to the earlier one",
        "bucket",
        "(epoch_us(occurred_at) - 1) // 300000000",
    ),
    "nearest-bucket": (
        "Events go to the nearest boundary",
        "bucket",
        "(epoch_us(occurred_at) + 150000000) // 300000000",
    ),
    # Measures of a delivery
    "undescribed-delivery-shown": ("A delivery without a reference row has rows", "described", "left join"),
    "duplicates-in-last-event": ("The newest event may be a dropped duplicate", "last_event_rows", "reactions"),
    "seeds-in-success": ("Seeds count as success", "success", "status = 1"),
    "seeds-in-errors": ("Seeds count as errors", "error", "status = 2"),
    "pending-is-processed": ("Every status counts as processed", "processed", "is_seed is not true"),
    "seeds-in-complaints": ("Seeds' complaints count", "complaint", "status = 2 and failure_reason = 8"),
    "complaint-of-any-status": (
        "A complaint needs no failure",
        "complaint",
        "failure_reason = 8 and is_seed is not true",
    ),
    "opt-out-is-click": ("Opt-outs count as clicks", "click", "event_type in ('click', 'opt_out')"),
    "mirror-page-is-click": ("Mirror pages count as clicks", "click", "event_type in ('click', 'mirror_page')"),
    "message-0-is-somebody": ("Message 0 counts as a recipient", "somebody", "true"),
    "recipient-opens-of-open-rows": ("A click alone is no opened recipient", "recipient_opened", "event_type = 'open'"),
    "recipient-opens-without-unknown": (
        "Unknown reactions open nothing",
        "recipient_opened",
        "event_type <> 'unknown'",
    ),
    "transactions-are-no-pages": ("Transactions are not visited pages", "visited_page", "event_type = 'web'"),
    "amount-of-web-pages": ("Amounts of web pages count", "with_amount", "event_type in ('web', 'transaction')"),
    "articles-of-all-types": ("Articles of every reaction count", "with_articles", "true"),
    "text-count-stays-null": ("Without a text count there is no estimate", "text_count", "text_count"),
    "all-text-is-estimated": (
        "Estimates are null where all messages are text",
        "nothing_to_estimate",
        "to_deliver_count is null or to_deliver_count = 0",
    ),
    "half-to-even": (
        "Estimates are rounded half to even",
        "rounded",
        f"{Rules.rounded} - if((2 * part + base) % (2 * base) = 0, ({Rules.rounded}) % 2, 0)",
    ),
    "estimates-cut": ("Estimates are cut instead of rounded", "rounded", "part // base"),
    "reactivity-of-raw-opens": ("Reactivity divides by opened recipients", "reactivity_base", "recipient_open_count"),
    "rates-of-processed": ("Click rates divide by processed messages", "rate_base", "processed_count"),
    # Platform averages
    "proofs-in-average": ("Proofs are in the platform average", "platform_kind", "peer.is_model is not true"),
    "templates-in-average": ("Templates are in the platform average", "platform_kind", "peer.is_proof is not true"),
    "other-typology-in-average": ("Other typologies are in the average", "platform_typology", "true"),
    "null-typologies-differ": (
        "Null typologies do not match",
        "platform_typology",
        "peer.typology_id = self.typology_id",
    ),
    "other-channel-in-average": ("Other channels are in the average", "platform_channel", "true"),
    "window-start-out": ("The window's start is outside", "platform_start", "peer.contact_at > self.window_start_at"),
    "window-end-out": ("The window's end is outside", "platform_end", "peer.contact_at < self.contact_at"),
    "future-in-average": ("Later deliveries are in the average", "platform_end", "true"),
    "self-out-of-average": (
        "A delivery is left out of its own average",
        "platform_kind",
        f"{Rules.platform_kind} and peer.delivery_id <> self.delivery_id",
    ),
    "mean-of-rates": (
        "The platform average is the mean of rates",
        "platform_average",
        "coalesce(avg(ratio(peer.{part}, peer.{base})), 0)",
    ),
    "window-in-utc": ("The six months are counted in UTC", "window_is_local", False),
    "window-of-180-days": ("The window is 180 days long", "window_days", 180),
    "window-not-clipped": ("Six months before 31 August is 3 March", "window_is_clipped", False),
    # URLs and click streams
    "pixel-in-links": ("The open pixel is a link", "link", "true"),
    "unknown-url-in-links": ("URLs without a reference row are links", "unknown_link", "true"),
    "unclicked-link-missing": ("A link without clicks has no row", "listed", "click_count > 0"),
    "share-of-type-1": ("Shares divide by clicks of type 1", "share_base", "if(type = 1, click_count, 0)"),
    "ties-by-id": ("Links with equal clicks are ranked by id", "url_order", "click_count desc, url_id"),
    "ties-by-folded-label": (
        "Equal clicks are ranked by lower-cased label",
        "url_order",
        "click_count desc, lower(label), url_id",
    ),
    "ties-by-folded-name": (
        "Equal clicks are ranked by lower-cased name",
        "name_order",
        "click_count desc, lower(name)",
    ),
    "labels-folded": (
        "Labels that differ in case are one",
        "merged_label",
        "min(label) over (partition by delivery_id, lower(label))",
    ),
    "empty-label-own-row": ("Links without a label are one row", "merged_label", "coalesce(given_label, '')"),
    "no-category-missing": ("Links without a category are left out", "listed_category", "category <> ''"),
    # Tracking statistics
    "percent-exceeded": ("A percentage must be exceeded", "reached", "100 * cumulated_count > percent * total_count"),
    "bucket-start": ("The Pareto ends at the bucket's start", "bucket_end", "bucket_at"),
    "pareto-from-first-event": ("The Pareto runs from the first event", "pareto_origin", "first_event_at"),
    # User activities
    "all-links-are-activity": (
        "Opt-outs and mirror pages are clicks of the activity",
        "active_click",
        "event_type in ('click', 'opt_out', 'mirror_page')",
    ),
    # Sharing
    "networks-folded": ("Categories are networks in any case", "shared", "lower(links.category) = networks.category"),
    "shares-of-type-1": ("Only links of type 1 are shares", "shared", f"{Rules.shared} and type = 1"),
    "unshared-network-missing": ("A network without shares has no row", "listed_network", "share_count > 0"),
    "sharing-of-the-target": ("The sharing rate divides by the targeted", "sharing_base", "target_count"),
    # Breakdown of opens, browsers and operating systems
    "image-proxy-believed": (
        "What an image proxy says of browser and system counts",
        "image_proxies_say_nothing",
        False,
    ),
    "clicks-in-the-breakdown": ("Clicks are opens of the breakdown", "opened_with", "event_type in ('open', 'click')"),
    "opt-outs-are-pages": (
        "Opt-outs are visited pages",
        "visited_with",
        "event_type in ('click', 'web', 'transaction', 'opt_out')",
    ),
    "transactions-are-no-visits": (
        "Transactions are no visited pages",
        "visited_with",
        "event_type in ('click', 'web')",
    ),
    "proofs-in-totals": ("Proofs are in totals", "in_totals", "described.is_model is not true"),
    "templates-in-totals": ("Templates are in totals", "in_totals", "described.is_proof is not true"),
    "visitors-need-a-uuid": ("Who has no UUID is no visitor", "visitor", "person_id"),
    "visitors-are-messages": ("Visitors are messages, whoever it is", "visitor", "delivery_id || ':' || message_id"),
    "message-0-visits": (
        "Message 0 is a visitor",
        "visitor",
        "coalesce(person_id, delivery_id || ':' || message_id)",
    ),
    "pages-of-others": ("Pages of who did not click count", "page_of_visitor", "true"),
    "usage-of-visits": (
        "Usage divides by the day's visits",
        "usage_base",
        "sum(visitor_count) over (partition by activity_date)",
    ),
    "relative-to-the-day": ("The relative rate divides by all versions of the day", "relative_name", "activity_date"),
    # Hot clicks
    "only-clicks-shown": ("Hot clicks show type 1 only", "shown_links", "type = 1"),
    "offer-0-is-offer": ("Offer 0 is an offer", "offer", "offer_id is not null"),
    "offers-drawn": ("Offers are drawn", "drawn", "coalesce(type = 1, false)"),
    "opt-outs-drawn": ("Opt-outs are drawn", "drawn", "coalesce(type in (1, 3), false) and not has_offer"),
    "occurrence-off-by-one": ("The first place is number 1", "found", "coalesce(link_count, 0) >= occurrence"),
    "occurrence-ignored": ("Any place will do", "found", "coalesce(link_count, 0) > 0"),
    "no-body-not-drawn": ("Without a body nothing is drawn", "drawn_without_body", "false"),
    "href-not-unescaped": ("Links are compared as written in the HTML", "links_are_unescaped", False),
    "links-in-comments": ("Links in comments are found", "comments_hold_no_links", False),
    "areas-are-links": ("The areas of an image map are links", "only_anchors_are_links", False),
    "text-link-with-full-stop": (
        "A sentence's full stop belongs to the link",
        "text_links_end_before_punctuation",
        False,
    ),
    # Delivery summary
    "rejected-of-to-deliver": (
        "Rejected messages are a share of those to deliver",
        "rejected_base",
        "described.to_deliver_count",
    ),
    "summary-of-target": ("Successes and errors are a share of the target", "summary_base", "described.target_count"),
    "summary-of-processed": ("Successes and errors are a share of the processed", "summary_base", "processed_count"),
    "exclusions-of-all-deliveries": ("Shares are of all exclusions there are", "exclusions_of", ""),
    # Message engagement
    "unsent-message-missing": ("Only sent messages have a row", "engaged_message", "status = 1"),
    "unknown-message-missing": ("Reactions of unknown messages have no row", "engaged_stranger", "false"),
    "click-sets-opened": ("A click alone sets has_opened", "opened", "open_count + click_count > 0"),
    # Domains and bounces
    "domain-case-matters": ("Domains are compared as written", "alias_of", "alias = address_domain"),
    "aliases-ignored": (
        "A domain has no alias but its own name",
        "alias_of",
        "lower(domain) || '.com' = lower(address_domain)",
    ),
    "subdomains-are-aliases": (
        "What ends like an alias is of its domain",
        "alias_of",
        "ends_with(lower(address_domain), '.' || alias) or lower(address_domain) = alias",
    ),
    "others-by-name": (
        "A domain that is not listed stands for itself",
        "message_domain",
        "coalesce(domain, address_domain)",
    ),
    "strays-of-no-domain": ("Reactions of unknown messages are in no domain", "stray_reaction", "domain is not null"),
    "invalid-domain-is-hard": ("An invalid domain is a hard bounce", "hard_bounce", "failure_reason in (1, 2)"),
    "invalid-domain-is-not-soft": (
        "An invalid domain is no soft bounce",
        "soft_bounce",
        "failure_reason in (3, 4, 5, 6, 20)",
    ),
    "refused-is-not-soft": ("A refusal is no soft bounce", "soft_bounce", "failure_reason in (2, 3, 4, 5, 6)"),
    "not-connected-is-not-soft": (
        "Not connected is no soft bounce",
        "soft_bounce",
        "failure_reason in (2, 3, 4, 5, 20)",
    ),
    "denylist-is-soft": (
        "An address on the denylist is a soft bounce",
        "soft_bounce",
        "failure_reason in (2, 3, 4, 5, 6, 8, 20)",
    ),
    "bounces-of-errors": ("Bounce rates divide by errors", "bounce_base", "error_count"),
    "complaints-of-processed": ("Complaints are divided by processed messages", "complaint_base", "processed_count"),
    "domain-rates-of-processed": (
        "Rates by domain divide by processed messages",
        "domain_rate_base",
        "processed_count",
    ),
    "click-rate-of-persons": ("The click rate counts persons", "domain_click", "person_click_count"),
    "domain-persons-are-messages": ("Persons of a domain are its messages", "domain_person", "message_id"),
    "missing-reason-left-out": ("An error without a reason is no row", "listed_reason", "failure_reason is not null"),
    "contribution-within-domain": (
        "Contributions divide by the domain's errors",
        "contribution_of",
        "delivery_id, domain",
    ),
    "breakdown-of-delivery": (
        "Breakdowns divide by the delivery's processed messages",
        "breakdown_base",
        "deliveries.processed_count",
    ),
}

MISTAKES: dict[str, str] = {name: description for name, (description, _, _) in _PLANTED.items()}


def rules_with(mistakes: Collection[str]) -> Rules:
    """Return the right rules with the named mistakes planted; raise ValueError for a name that is not in `MISTAKES`."""
    if unknown := sorted(set(mistakes) - set(_PLANTED)):
        raise ValueError(f"Unknown mistakes {', '.join(unknown)}: MISTAKES lists those that can be planted.")
    return replace(Rules(), **{_PLANTED[name][1]: _PLANTED[name][2] for name in mistakes})
