"""The exports of design §4.2, row by row as they are true in the end."""

import numpy as np
import polars as pl

from message_tracking.sample.campaign import Campaign
from message_tracking.sample.deliveries import STEP_SECONDS, Flags, Integers
from message_tracking.sample.mailboxes import DOMAINS

INSTANT = "%Y-%m-%dT%H:%M:%SZ"
"""How times are written."""

_FIRST_RECIPIENT_ID = 100_001
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
_LABELS = [
    "Winter sale",
    'The "Best of" letter',
    "News, week %d",
    "Été à Nice",
    "Loyalty club",
    "Back in stock",
    "Survey",
]
_ROLE_LABELS = {
    "proofs": '[Proof] The "Best of" letter',
    "sms": "Flash sale by SMS",
    "direct_mail": "Catalogue by post",
    "null_typologies": "Without typology",
    "undated_deliveries": "Without contact date",
    "null_counts": "Without counts",
    "text_only_deliveries": "Text only",
    "silent_deliveries": "Nobody reacted",
    "undescribed_deliveries": "Not described",
    "late_references": "Described late",
    "missing_bodies": "Body not at hand",
    "html_only_bodies": "HTML only",
}
_CHANNELS = {"sms": 1, "direct_mail": 3}
_REASONS = ["quarantine", "duplicate", "quarantine", "denylist", "quarantine", "empty", "duplicate"]
"""Why recipients were kept out of a delivery, by turns (spec §1.4)."""
_COUNTS = ["target_count", "rejected_count", "to_deliver_count", "text_count", "new_quarantine_count"]


def delivery_rows(campaign: Campaign) -> pl.DataFrame:
    """One row for each delivery, and the template's; the undescribed ones have none."""
    deliveries, messages, has = campaign.deliveries, campaign.messages, campaign.options.has
    of, counts, place = messages.deliveries[: messages.count], deliveries.message_counts, np.arange(deliveries.count)
    shows_text = messages.is_text[: messages.count] & ~deliveries.are("sms", "direct_mail")[of]
    frame = pl.DataFrame(
        {
            "delivery_id": deliveries.ids,
            "internal_name": [f"DM{delivery_id}" for delivery_id in deliveries.ids],
            "label": [delivery_label(role, d) for d, role in enumerate(deliveries.roles)],
            "delivery_code": [f"C{d}" if d % 3 else "" for d in place],
            "channel": [_CHANNELS.get(role, 0) for role in deliveries.roles],
            "state": 95,
            "is_proof": deliveries.are("proofs"),
            "is_model": False,
            "typology_id": 1 + place % 2 if has("typologies") else np.ones_like(place),
            "campaign_id": [None if d % 4 == 0 else 10 + int(d) % 4 for d in place],
            "target_count": counts + deliveries.rejected_counts,
            "rejected_count": deliveries.rejected_counts,
            "to_deliver_count": counts,
            "text_count": np.bincount(of[shows_text], minlength=deliveries.count),
            "new_quarantine_count": np.bincount(of[messages.failure_reasons == 1], minlength=deliveries.count),
            "contact_at": _instants(deliveries.contact_seconds),
            "validity_at": _instants(deliveries.contact_seconds + 5 * 86_400),
            "modified_at": _instants(
                np.where(deliveries.are("late_references"), deliveries.end_seconds, deliveries.contact_seconds + 3_600)
            ),
        }
    )
    frame = frame.with_columns(
        _nulled(["typology_id"], deliveries.are("null_typologies"))
        + _nulled(["contact_at"], deliveries.are("undated_deliveries"))
        + _nulled(_COUNTS, deliveries.are("null_counts"))
    ).filter(~deliveries.are("undescribed_deliveries"))
    return pl.concat([_template(frame), frame]) if has("templates") else frame


def _nulled(columns: list[str], are_null: Flags) -> list[pl.Expr]:
    return [pl.when(~pl.lit(pl.Series(are_null))).then(pl.col(column)).alias(column) for column in columns]


def _template(deliveries: pl.DataFrame) -> pl.DataFrame:
    return (
        deliveries.head(1)
        .with_columns(
            pl.col("delivery_id") - 1,
            pl.format("DM{}", pl.col("delivery_id") - 1).alias("internal_name"),
            pl.lit("Template").alias("label"),
            pl.lit(0).alias("state"),
            pl.lit(True).alias("is_model"),
            *(pl.lit(0).alias(name) for name in _COUNTS),
            *(pl.lit(None, pl.String).alias(name) for name in ("contact_at", "validity_at")),
        )
        .cast(deliveries.schema)
    )


def delivery_label(role: str, place: int) -> str:
    """The label of a delivery."""
    label = _ROLE_LABELS.get(role, _LABELS[place % len(_LABELS)])
    return label % (place + 1) if "%d" in label else label


def tracked_url_rows(campaign: Campaign) -> pl.DataFrame:
    """One row for each URL that a delivery has."""
    urls, delivery_ids = campaign.urls, campaign.deliveries.ids
    delivery, place = np.nonzero(urls.exists)
    links = [urls.links[link] for link in place]
    occurrences = np.array([urls.occurrence(link) for link in range(len(urls.links))])
    return pl.DataFrame(
        {
            "url_id": urls.ids[delivery * len(urls.links) + place],
            "delivery_id": delivery_ids[delivery],
            "type": [link.type for link in links],
            "label": [link.label for link in links],
            "category": [link.category for link in links],
            "source_url": [link.page.format(d=id_) for link, id_ in zip(links, delivery_ids[delivery], strict=True)],
            "occurrence": occurrences[place],
            "content_part": [link.part for link in links],
            "offer_id": pl.Series([link.offer for link in links], dtype=pl.Int64),
        }
    )


def message_rows(campaign: Campaign) -> pl.DataFrame:
    """One row for each message, by id."""
    deliveries, messages = campaign.deliveries, campaign.messages
    of = messages.deliveries[: messages.count]
    # Every second of every send: far fewer instants to write than there are messages.
    seconds = deliveries.contact_seconds[:, None] + np.arange(STEP_SECONDS)
    modified = np.where(deliveries.are("late_references")[:, None], deliveries.end_seconds, seconds + 60)
    second = pl.Series(of * STEP_SECONDS + messages.send_delays)
    recipients = messages.recipients[: messages.count]
    return pl.DataFrame(
        {
            "message_id": messages.ids[: messages.count],
            "delivery_id": deliveries.ids[of],
            "recipient_id": _FIRST_RECIPIENT_ID + recipients,
            "address_domain": _picked(DOMAINS, messages.mailboxes.domains[recipients]),
            "status": messages.statuses,
            "failure_reason": messages.failure_reasons,
            "is_seed": messages.is_seed,
            "event_at": _instants(seconds).gather(second),
            "modified_at": _instants(modified).gather(second),
        }
    ).sort("message_id")


def recipient_rows(campaign: Campaign) -> pl.DataFrame:
    """One row for each recipient."""
    count = campaign.messages.recipient_count
    place = np.arange(count)
    plain = {"ï": "i", "ë": "e", "é": "e", "ü": "u", "'": "", " ": "", '"': "", ",": "", ".": ""}
    return (
        pl.DataFrame(
            {
                "recipient_id": _FIRST_RECIPIENT_ID + place,
                "first_name": _picked(_FIRST_NAMES, place % len(_FIRST_NAMES)),
                "last_name": _picked(_LAST_NAMES, place // 3 % len(_LAST_NAMES)),
                "domain": _picked(DOMAINS, campaign.messages.mailboxes.domains[:count]),
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
            modified_at=pl.lit(_instants(campaign.deliveries.contact_seconds[:1] - 30 * 86_400)[0]),
        )
        .select("recipient_id", "first_name", "last_name", "email", "email_format", "modified_at")
    )


def exclusion_rows(campaign: Campaign) -> pl.DataFrame:
    """One row for each recipient whom rules kept out of a delivery."""
    deliveries = campaign.deliveries
    count = int(deliveries.rejected_counts.sum()) if campaign.options.has("exclusions") else 0
    of = np.repeat(np.arange(deliveries.count), deliveries.rejected_counts)[:count]
    analysed = np.where(deliveries.are("late_references"), deliveries.end_seconds, deliveries.contact_seconds)
    excluded = campaign.messages.excluded_recipients if count else of
    return pl.DataFrame(
        {
            "delivery_id": deliveries.ids[of],
            "recipient_id": _FIRST_RECIPIENT_ID + excluded,
            "reason": _picked(_REASONS, np.arange(count) % len(_REASONS)),
            "modified_at": _instants(analysed).gather(pl.Series(of)),
        }
    )


def consent_rows(campaign: Campaign) -> pl.DataFrame:
    """What recipients said: refusals of tracking, earlier and later permissions, refusals of another purpose."""
    consents = campaign.consents
    refusers, refused, again = consents.refusers, consents.refused_seconds, consents.permits_again
    said = [
        (refusers, "tracking", False, refused),
        (refusers[again], "tracking", True, consents.permitted_seconds[again]),
        (refusers[::3], "tracking", True, refused[::3] - 40 * 86_400),
        ((refusers + 1) % campaign.messages.recipient_count, "profiling", False, refused),
        (refusers[again], "profiling", False, consents.permitted_seconds[again] + 3_600),
    ]
    return pl.concat(
        pl.DataFrame(
            {
                "recipient_id": _FIRST_RECIPIENT_ID + recipients,
                "purpose": pl.repeat(purpose, recipients.size, eager=True),
                "is_allowed": pl.repeat(is_allowed, recipients.size, eager=True),
                "effective_at": _instants(seconds),
            }
        )
        for recipients, purpose, is_allowed, seconds in said
    ).sort("recipient_id", "purpose", "effective_at")


def _picked(texts: list[str], places: Integers) -> pl.Series:
    return pl.Series(texts).gather(pl.Series(places))


def _instants(seconds: Integers) -> pl.Series:
    return pl.from_epoch(pl.Series(seconds.ravel()), time_unit="s").dt.strftime(INSTANT)
