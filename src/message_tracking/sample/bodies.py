"""Message bodies as they are really sent, each with the links of its delivery."""

from collections import defaultdict
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from message_tracking.sample.campaign import Campaign
from message_tracking.sample.exports import delivery_label

_LAYOUTS = ["promotion.html", "newsletter.html", "catalogue.html", "letter.html"]
_TEXTS = {"sms": "sms.txt"}
_SUFFIXES = {"html": "html", "text": "txt"}
_PREHEADER = "Only until Sunday: 20 % off & free delivery."


def body_files(campaign: Campaign) -> tuple[dict[str, str], dict[str, int]]:
    """The bodies of all deliveries by file name, and how many of them hold untracked links."""
    deliveries, urls = campaign.deliveries, campaign.urls
    untracked = campaign.options.has("untracked_links")
    files = {}
    for place, (role, delivery_id) in enumerate(zip(deliveries.roles, deliveries.ids.tolist(), strict=True)):
        if role == "missing_bodies":
            continue
        slots: dict[str, dict[str, list[dict[str, str]]]] = {part: defaultdict(list) for part in _SUFFIXES}
        for link, exists in zip(urls.links, urls.exists[place].tolist(), strict=True):
            if exists and link.slot:
                slots[link.part][link.slot].append({"href": link.page.format(d=delivery_id), "label": link.label})
        layouts = {"html": _LAYOUTS[place % len(_LAYOUTS)], "text": _TEXTS.get(role, "mail.txt")}
        for part, links in slots.items():
            if links:
                files[f"{delivery_id}.{_SUFFIXES[part]}"] = _template(layouts[part]).render(
                    subject=delivery_label(role, place),
                    preheader=_PREHEADER,
                    links=links,
                    untracked=untracked,
                    delivery_hex=f"{delivery_id % 2**32:x}",
                )
    return files, {"untracked_links": len(files)}


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("message_tracking.sample", "layouts"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
