"""How often each trait was really planted."""

from collections import Counter

from message_tracking.sample.campaign import Campaign
from message_tracking.sample.servers import Server
from message_tracking.sample.traits import TRAITS


def planted_traits(
    campaign: Campaign, counted: dict[str, int], servers: list[Server], corrupted_count: int
) -> dict[str, int]:
    """Deliveries, rows, links, good lines, lines or files that show each trait; 0 where it was left out.

    `counted` is what exports, bodies and tally have counted. A sample may be too small for a trait.
    """
    counts = _of_deliveries(campaign) + _of_urls(campaign)
    counts |= _of_messages(campaign)
    counts |= {
        **counted,
        "corrupted_lines": corrupted_count,
        "id_gaps": sum(server.missing_id_count for server in servers),
        "repeated_files": sum(server.repeated_line_count > 0 for server in servers),
        "unfinished_lines": sum(server.unfinished_line != "" for server in servers),
    }
    return {trait: counts[trait] if campaign.options.has(trait) else 0 for trait in TRAITS}


def _of_deliveries(campaign: Campaign) -> Counter[str]:
    roles = Counter(campaign.deliveries.roles)
    return roles + Counter({"templates": 1, "typologies": roles.total() // 2})


def _of_urls(campaign: Campaign) -> Counter[str]:
    urls = campaign.urls
    counts: Counter[str] = Counter()
    for link, count in zip(urls.links, urls.exists.sum(axis=0).tolist(), strict=True):
        counts[link.trait] += count
    return counts


def _of_messages(campaign: Campaign) -> dict[str, int]:
    messages = campaign.messages
    return {
        "seeds": int(messages.is_seed.sum()),
        "text_messages": int(messages.is_text[: messages.count].sum()),
        "domains": int((messages.mailboxes.domains[messages.recipients[: messages.count]] > 0).sum()),
        "complaints": int(messages.complains.sum()),
        "unknown_statuses": int(messages.has_unknown_status.sum()),
    }
