"""The campaign behind a sample: deliveries, tracked URLs, messages and recipients, before anybody reacts."""

import datetime
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from message_tracking.sample.hashing import fractions
from message_tracking.sample.options import SampleOptions

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

STEP_SECONDS = 600
"""Grid of the campaign's clock: sends start on it, and the density of reactions is drawn on it."""

SENT, FAILED, PENDING, CANCELLED = 1, 2, 6, 7
"""Broadlog statuses (spec §1.4)."""

DOMAINS = ["gmail.com", "yahoo.com", "outlook.com", "orange.fr", "hotmail.com", "gmx.de", "free.fr", "example.net"]
_DOMAIN_SHARES = [0.38, 0.1, 0.12, 0.09, 0.1, 0.06, 0.05, 0.1]
_FIRST_NAMES = [
    "Marie",
    "John",
    "Aïcha",
    "Florian",
    "Henry",
    "Zoë",
    'Anna "Annie"',
    "José",
    "Mei",
    "Lars",
    "Olga",
    "Tom",
]
_LAST_NAMES = [
    "Stuart",
    "Davis",
    "Macdonald",
    "Dupré",
    "O'Brien",
    "Smith, Jr.",
    "Müller",
    "Rossi",
    "Chen",
    "Nowak",
    "Diallo",
]
_FAILURE_REASONS = np.array([1, 1, 1, 2, 3, 4, 5, 5, 20])
_LABELS = [
    "Winter sale",
    'The "Best of" letter',
    "News, week %d",
    "Été à Nice",
    "Loyalty club",
    "Back in stock",
    "Survey",
]

_FIRST_DELIVERY_ID = 451_600_000
_FIRST_URL_ID = 1_500_000_000
_FIRST_MESSAGE_ID = 600_000_000
_FIRST_NEGATIVE_MESSAGE_ID = -2_000_000_000
_FIRST_RECIPIENT_ID = 100_001
_PROOF = 1
_NEGATIVE_IDS = 2
"""Places of the proof and of the delivery whose message ids are negative (spec §2.2: printed as unsigned hex)."""

# Type, label, category, part and pages of each tracked URL of a delivery; the most clicked first within a type.
_LINKS = [
    (1, "Shop", "promo", "html", "https://shop.example/sale?campaign={d}"),
    (1, "Shop", "promo", "html", "https://shop.example/sale?campaign={d}"),
    (1, "Blog", "news", "html", "https://blog.example/{d}/article"),
    (1, "Product, red", "promo", "html", "https://shop.example/p/red-{d}"),
    (1, 'Product "blue"', "promo", "html", "https://shop.example/p/blue-{d}"),
    (1, "", "", "html", "https://www.example/{d}/about"),
    (1, "Share on Facebook", "facebook", "html", "https://facebook.example/share?u={d}"),
    (1, "Share on LinkedIn", "linkedin", "html", "https://linkedin.example/share?u={d}"),
    (1, "Terms", "legal", "html", "https://www.example/terms"),
    (1, "Shop", "promo", "text", "https://shop.example/sale?campaign={d}"),
    (1, "Blog", "news", "text", "https://blog.example/{d}/article"),
    (3, "Unsubscribe", "", "html", "https://www.example/optout?d={d}"),
    (3, "Unsubscribe", "", "text", "https://www.example/optout?d={d}"),
    (4, "Visited page", "", "html", "https://shop.example/visited"),
    (5, "Order confirmed", "", "html", "https://shop.example/ordered"),
    (6, "Mirror page", "", "html", "https://www.example/mirror?d={d}"),
]
LINK_COUNT = len(_LINKS)


def links_of(url_type: int, content_part: str) -> Integers:
    """Places, within a delivery's tracked URLs, of those of one type and part, the most clicked first."""
    return np.array([place for place, link in enumerate(_LINKS) if link[0] == url_type and link[3] == content_part])


@dataclass(frozen=True)
class Campaign:
    """Everything that stands before the first reaction; equal options make equal campaigns.

    Messages are numbered through all deliveries. Within a delivery the keenest readers come first, those who got
    nothing come last; ids and recipients are shuffled, so that the exports do not show it.
    """

    options: SampleOptions

    @property
    def delivery_ids(self) -> Integers:
        """Id of each delivery, in the order of their sends."""
        return _FIRST_DELIVERY_ID + 977 * np.arange(self.options.deliveries)

    @property
    def is_proof(self) -> Flags:
        """Which deliveries are proofs."""
        return np.asarray(np.arange(self.options.deliveries) == _PROOF)

    @cached_property
    def contact_seconds(self) -> Integers:
        """Start of each send, seconds since 1970: three to 24 days before the sample's start, by day."""
        start = int(datetime.datetime.combine(self.options.start, datetime.time(), datetime.UTC).timestamp())
        count = self.options.deliveries
        place = np.arange(count)
        days = 24 - (place * 21) // max(count - 1, 1)
        hours = 8 + (place * 5) % 10
        return start - days * 86_400 + hours * 3_600

    @property
    def end_seconds(self) -> int:
        """Nothing happens from here on."""
        return int(datetime.datetime.combine(self.options.start, datetime.time(), datetime.UTC).timestamp())

    @cached_property
    def message_counts(self) -> Integers:
        """Messages of each delivery: about one for every two lines, at least 40; a proof has 20."""
        count = self.options.deliveries
        shares = 0.5 + fractions(np.arange(count), self.options.seed)
        shares[self.is_proof] = 0
        drawn = self.options.lines / 2 * shares / max(shares.sum(), 1e-9)
        counts: Integers = np.maximum(40, drawn.astype(np.int64))
        counts[self.is_proof] = 20
        return counts

    @cached_property
    def first_messages(self) -> Integers:
        """Number of each delivery's first message, and the count of all at the end."""
        return np.concatenate([[0], np.cumsum(self.message_counts)])

    @property
    def reached_counts(self) -> Integers:
        """Messages that arrived: the first ones of each delivery."""
        return np.asarray(self.message_counts - self.message_counts // 12)

    @cached_property
    def message_deliveries(self) -> Integers:
        """Place of the delivery of each message."""
        return np.repeat(np.arange(self.options.deliveries), self.message_counts)

    @cached_property
    def message_ranks(self) -> Integers:
        """Place of each message within its delivery."""
        return np.arange(self.first_messages[-1]) - self.first_messages[self.message_deliveries]

    @cached_property
    def is_text(self) -> Flags:
        """Which messages were sent as text: one in ten, and never the first of a delivery."""
        return np.asarray(self.message_ranks % 10 == 7)

    @cached_property
    def is_seed(self) -> Flags:
        """Which messages went to control addresses."""
        return np.asarray(self.message_ranks % 499 == 5)

    @cached_property
    def statuses(self) -> Integers:
        """Status of each message; a few of those reached count as failed, for they complained (spec §7.7)."""
        reached = self.reached_counts[self.message_deliveries]
        behind = self.message_ranks - reached
        statuses = np.where(
            behind < 0, SENT, np.select([behind % 10 == 8, behind % 10 == 9], [PENDING, CANCELLED], FAILED)
        )
        return np.where(self.complains, FAILED, statuses)

    @cached_property
    def complains(self) -> Flags:
        """Which messages arrived and were called spam."""
        reached = self.reached_counts[self.message_deliveries]
        return np.asarray((self.message_ranks % 501 == 250) & (self.message_ranks < reached))

    @cached_property
    def send_order(self) -> Integers:
        """For each message its place in its delivery's id order."""
        generator = np.random.default_rng([self.options.seed, 1])
        return np.concatenate([generator.permutation(count) for count in self.message_counts])

    @cached_property
    def message_ids(self) -> Integers:
        """Signed 32-bit id of each message; those of one delivery are negative."""
        number = self.first_messages[self.message_deliveries] + self.send_order
        return number + np.where(
            self.message_deliveries == _NEGATIVE_IDS, _FIRST_NEGATIVE_MESSAGE_ID, _FIRST_MESSAGE_ID
        )

    @property
    def recipient_count(self) -> int:
        """Known recipients: a quarter more than the largest delivery reaches."""
        return int(self.message_counts.max() * 5 // 4)

    @cached_property
    def recipients(self) -> Integers:
        """Place of the recipient of each message; nobody gets the same delivery twice."""
        generator = np.random.default_rng([self.options.seed, 2])
        return np.concatenate([generator.permutation(self.recipient_count)[:count] for count in self.message_counts])

    @cached_property
    def domains(self) -> Integers:
        """Place of each recipient's mail domain in DOMAINS."""
        bounds = np.cumsum(_DOMAIN_SHARES)[:-1]
        drawn = fractions(np.arange(self.recipient_count), self.options.seed + 3)
        return np.asarray(np.searchsorted(bounds, drawn, side="right"))

    @property
    def url_ids(self) -> Integers:
        """Ids of all tracked URLs, LINK_COUNT for each delivery."""
        return (_FIRST_URL_ID + 1_000 * np.arange(self.options.deliveries)[:, None] + np.arange(LINK_COUNT)).ravel()


def export_frames(campaign: Campaign) -> dict[str, pl.DataFrame]:
    """The exports of design §4.2 as frames of what the CSV files hold, by name."""
    return {
        "deliveries": _deliveries(campaign),
        "messages": _messages(campaign),
        "tracked_urls": _tracked_urls(campaign),
        "recipients": _recipients(campaign),
    }


def content_files(campaign: Campaign) -> dict[str, str]:
    """The bodies of every delivery, by file name: the links of each part in their order."""
    files = {}
    for delivery_id in campaign.delivery_ids.tolist():
        pages = {
            part: [link for link in _LINKS if link[3] == part and link[0] in {1, 3, 6}] for part in ("html", "text")
        }
        anchors = "\n".join(
            f'  <p><a href="{link[4].format(d=delivery_id)}">{link[1] or "About us"}</a></p>' for link in pages["html"]
        )
        files[f"{delivery_id}.html"] = (
            f'<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"><title>{delivery_id}</title></head>\n'
            f"<body>\n{anchors}\n</body>\n</html>\n"
        )
        files[f"{delivery_id}.txt"] = "".join(f"{link[1]}: {link[4].format(d=delivery_id)}\n" for link in pages["text"])
    return files


def _deliveries(campaign: Campaign) -> pl.DataFrame:
    options, counts = campaign.options, campaign.message_counts
    place = np.arange(options.deliveries)
    per_delivery = campaign.message_deliveries
    rejected = counts // 20
    hard_bounced = np.bincount(per_delivery[_failure_reasons(campaign) == 1], minlength=options.deliveries)
    labels = [("[Proof] " if campaign.is_proof[d] else "") + _label(d) for d in place.tolist()]
    frame = pl.DataFrame(
        {
            "delivery_id": campaign.delivery_ids,
            "internal_name": [f"DM{delivery_id}" for delivery_id in campaign.delivery_ids],
            "label": labels,
            "delivery_code": [f"C{d}" if d % 3 else "" for d in place],
            "channel": 0,
            "state": 95,
            "is_proof": campaign.is_proof,
            "is_model": False,
            "typology_id": 1 + place % 2,
            "campaign_id": [None if d % 4 == 0 else 10 + int(d) % 4 for d in place],
            "target_count": counts + rejected,
            "rejected_count": rejected,
            "to_deliver_count": counts,
            "text_count": np.bincount(per_delivery[campaign.is_text], minlength=options.deliveries),
            "new_quarantine_count": hard_bounced,
            "contact_at": _instants(campaign.contact_seconds),
            "validity_at": _instants(campaign.contact_seconds + 5 * 86_400),
            "modified_at": _instants(campaign.contact_seconds + 3_600),
        }
    )
    template = frame.head(1).with_columns(
        delivery_id=pl.lit(_FIRST_DELIVERY_ID - 1),
        internal_name=pl.lit(f"DM{_FIRST_DELIVERY_ID - 1}"),
        label=pl.lit("Template"),
        state=pl.lit(0),
        is_model=pl.lit(True),
        **{name: pl.lit(0) for name in frame.columns if name.endswith("_count")},
        contact_at=pl.lit(None, pl.String),
        validity_at=pl.lit(None, pl.String),
    )
    return pl.concat([template.cast(frame.schema), frame])


def _label(place: int) -> str:
    label = _LABELS[place % len(_LABELS)]
    return label % (place + 1) if "%d" in label else label


def _tracked_urls(campaign: Campaign) -> pl.DataFrame:
    rows = [
        (url_type, label, category, link.format(d=delivery_id), _occurrence(place), part)
        for delivery_id in campaign.delivery_ids.tolist()
        for place, (url_type, label, category, part, link) in enumerate(_LINKS)
    ]
    names = ["type", "label", "category", "source_url", "occurrence", "content_part"]
    return pl.DataFrame(rows, schema=names, orient="row").select(
        pl.Series("url_id", campaign.url_ids),
        pl.Series("delivery_id", np.repeat(campaign.delivery_ids, LINK_COUNT)),
        *names,
        offer_id=pl.lit(None, pl.Int64),
    )


def _occurrence(place: int) -> int:
    """How often the same page stands in the same part before this link (design §4.3, hot_clicks)."""
    return sum(earlier[3:] == _LINKS[place][3:] for earlier in _LINKS[:place])


def _failure_reasons(campaign: Campaign) -> Integers:
    number = np.arange(campaign.first_messages[-1])
    drawn = _FAILURE_REASONS[number % len(_FAILURE_REASONS)]
    return np.where(campaign.statuses != FAILED, 0, np.where(campaign.complains, 8, drawn))


def _messages(campaign: Campaign) -> pl.DataFrame:
    per_delivery = campaign.message_deliveries
    sent_seconds = campaign.contact_seconds[per_delivery] + (
        campaign.send_order * STEP_SECONDS // campaign.message_counts[per_delivery]
    )
    frame = pl.DataFrame(
        {
            "message_id": campaign.message_ids,
            "delivery_id": campaign.delivery_ids[per_delivery],
            "recipient_id": _FIRST_RECIPIENT_ID + campaign.recipients,
            "address_domain": _picked(DOMAINS, campaign.domains[campaign.recipients]),
            "status": campaign.statuses,
            "failure_reason": _failure_reasons(campaign),
            "is_seed": campaign.is_seed,
            "event_at": sent_seconds,
        }
    ).sort("message_id")
    sent = frame["event_at"].to_numpy()
    return frame.with_columns(event_at=_instants(sent), modified_at=_instants(sent + 60))


def _recipients(campaign: Campaign) -> pl.DataFrame:
    place = np.arange(campaign.recipient_count)
    plain = {"ï": "i", "ë": "e", "é": "e", "ü": "u", "'": "", " ": "", '"': "", ",": "", ".": ""}
    return (
        pl.DataFrame(
            {
                "recipient_id": _FIRST_RECIPIENT_ID + place,
                "first_name": _picked(_FIRST_NAMES, place % len(_FIRST_NAMES)),
                "last_name": _picked(_LAST_NAMES, place // 3 % len(_LAST_NAMES)),
                "domain": _picked(DOMAINS, campaign.domains),
                "email_format": 2 - (place % 10 == 7),
            }
        )
        .with_columns(
            email=pl.format(
                "sample.{}.{}.{}@{}",
                pl.col("first_name").str.to_lowercase().str.replace_many(plain),
                pl.col("last_name").str.to_lowercase().str.replace_many(plain),
                "recipient_id",
                "domain",
            ),
            modified_at=pl.lit(_instants(campaign.contact_seconds[:1] - 30 * 86_400)[0]),
        )
        .select("recipient_id", "first_name", "last_name", "email", "email_format", "modified_at")
    )


def _picked(texts: list[str], places: Integers) -> pl.Series:
    return pl.Series(texts).gather(pl.Series(places))


def _instants(seconds: Integers) -> pl.Series:
    return pl.from_epoch(pl.Series(seconds), time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
