"""What a sample plants to make its data as hard as real data is; each can be left out."""

from message_tracking.errors import ConfigurationError

TRAITS: dict[str, str] = {
    # Deliveries
    "proofs": "the second delivery is a proof",
    "templates": "a template among the deliveries",
    "sms": "a delivery by SMS: text links only, no opens",
    "direct_mail": "a delivery by direct mail: neither links nor events",
    "typologies": "two typologies by turns instead of one",
    "null_typologies": "a delivery without typology",
    "undated_deliveries": "a delivery without contact_at",
    "null_counts": "a delivery whose counts are null",
    "text_only_deliveries": "a delivery whose text_count is its to_deliver_count",
    "silent_deliveries": "a delivery without events",
    "undescribed_deliveries": "a delivery with events, messages and URLs, but no row of its own",
    "negative_ids": "the third delivery, its messages and its URLs have negative ids",
    # Reference data
    "late_references": "a delivery whose rows come after its events, in the .csv.gz beside the .csv only",
    "corrected_references": "rows of one key again: newer, older, undated, of the same time, twice in one file",
    "exclusions": "recipients whom rules kept out of a delivery, as many as it says, by every documented cause",
    "consents": "recipients who refuse to be tracked, some until they permit it again, and refusals of another purpose",
    # Messages
    "seeds": "messages to control addresses",
    "text_messages": "one message in ten was sent as text",
    "domains": "recipients at many mail domains instead of one",
    "complaints": "messages that arrived, were called spam and count as failed",
    "unknown_statuses": "messages with status codes that are documented nowhere",
    # Tracked URLs
    "opt_outs": "unsubscription links (type 3) and clicks on them",
    "mirror_pages": "mirror page links (type 6) and clicks on them",
    "web_pages": "visited pages (type 4)",
    "transactions": "transactions (type 5) with amount and article",
    "sharing": "sharing links of the built-in categories: email, facebook, twitter, ...",
    "shared_labels": "two URLs with the same label",
    "repeated_links": "the same URL at two places of a body",
    "empty_labels": "a URL without label",
    "empty_categories": "a URL without category",
    "offers": "URLs with an offer_id, one of them 0",
    "undocumented_types": "URLs of types 0, 7 and 10, and events on them",
    "open_typed_urls": "a URL of type 2 with another id than 1, and events on it",
    "lure_links": "a link of category lure in some bodies that people do not see and scanners follow",
    # Message bodies
    "unplaced_urls": "a tracked URL that is not in the body",
    "untracked_links": "links of the body that are not tracked, tel: and mailto: among them",
    "missing_bodies": "a delivery without body at hand",
    "html_only_bodies": "a delivery with an HTML body only",
    # Events
    "odd_parameters": "amount and article missing, twice, URL-encoded, like 1e5, too long, on a visited page",
    "forwards": "other persons react to a message that was forwarded to them",
    "cookieless_readers": "readers who refuse cookies: a new UUID with each event",
    "uuid_cases": "persons whose UUID comes in upper and in lower case",
    "repeated_reactions": "a reaction that is repeated within a minute",
    "edge_opens": "opens 59.9, 60.0 and 60.1 s after another one, and chains of them",
    "late_events": "events whose line stands hours or days behind its time",
    "foreign_messages": "events that name a message of another delivery",
    "unknown_messages": "events that name a message nobody knows",
    "zero_messages": "events that name the message 0",
    "foreign_urls": "events that name a URL of another delivery",
    "unknown_urls": "events that name a URL nobody knows",
    # Machines beside people
    "prefetches": "mail apps that open each message of a reader once, whether or not anybody looks: Apple's",
    "image_proxies": "opens that a provider's proxy fetches when its user opens: Gmail, Yahoo, Outlook.com",
    "scanners": "gateways of companies that open messages and follow their links, most of them soon after the send",
    "isolation_browsers": "people whose clicks come from the network of their company's gateway",
    "fast_readers": "people who click within seconds: two links one after the other, or at once after the send",
    # Log files
    "corrupted_lines": "every kind of corrupted line, as many as --corrupted-share says",
    "proxy_chains": "addresses with a proxy behind a comma or in a 12th field",
    "crlf_lines": "lines that end with CR LF",
    "non_utf8_bytes": "user agents that are not UTF-8",
    "id_gaps": "log ids that are missing",
    "repeated_files": "lines that come again in another file: a renamed copy, overlapping files, plain and gzip",
    "unfinished_lines": "a newest file that is still being written: its last line has no end yet",
}
"""Name of each trait and what it plants, in the order of the data it is in."""

ACTOR_TRAITS = frozenset(
    {"prefetches", "image_proxies", "scanners", "isolation_browsers", "fast_readers", "lure_links"}
)
"""Traits by which people and machines are told apart: with one of them, each event has an actor."""


def check_traits(names: frozenset[str]) -> None:
    """Raise ConfigurationError where a name is no trait's."""
    unknown = sorted(names - TRAITS.keys())
    if unknown:
        raise ConfigurationError(
            f"--without {unknown[0]}: there is no such trait.", "`message-tracking sample --list-traits` lists them."
        )
