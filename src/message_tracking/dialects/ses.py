"""Amazon SES event publishing: JSON lines in an object store. docs/sources.md shows what becomes of what."""

from collections.abc import Mapping
from typing import Any, ClassVar

import polars as pl

from message_tracking.dialects import Dialect, DialectLines, Reading
from message_tracking.dialects.hashing import hashed_ids, identity
from message_tracking.dialects.ses_fields import REJECT_REASONS, STATES, read_fields

_OPEN_URL_ID = 1
_NO_MESSAGE = 0
_EMAIL = 0
_CLICK = 1
_URL_TYPES = {"opt-out": 3, "mirror-page": 6}
"""Link tag `type` → type of the tracked URL."""
_SENT, _FAILED, _PENDING = 1, 2, 6
_USER_UNKNOWN, _UNREACHABLE, _MAILBOX_FULL, _ON_DENYLIST, _REFUSED = 1, 3, 5, 8, 20
_NOT_SENT_TO = ("OnAccountSuppressionList", "UnsubscribedRecipient")
_NOT_TAKEN = ("MessageTooLarge", "ContentRejected", "AttachmentRejected")


class SesEvents(Dialect):
    """SES event publishing. Its option `delivery_tag` is the message tag that names the delivery (`campaign`)."""

    reject_reasons: ClassVar[Mapping[str, str]] = REJECT_REASONS

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the options."""
        self.delivery_tag = options.get("delivery_tag", "campaign")
        if not isinstance(self.delivery_tag, str) or not self.delivery_tag:
            raise ValueError("delivery_tag is the name of a message tag")
        super().__init__({name: value for name, value in options.items() if name != "delivery_tag"})

    def read(self, lines: pl.DataFrame, reading: Reading) -> DialectLines:
        """Judge lines, each of which is one event."""
        fields, rejected = read_fields(lines, self.delivery_tag, reading)
        fields = fields.with_columns(delivery_id=_ids(fields, "delivery", pl.col("delivery")))
        reactions = _reactions(fields)
        states = _addressed(fields.filter(pl.col("event_type").is_in(list(STATES))).explode("concerned"), reading)
        choices = _addressed(_of_one_address(fields.filter(pl.col("event_type") == "Subscription")), reading)
        return DialectLines(
            fields.select("line", "event_key"),
            reactions.select(
                *("line", "occurred_at", "message_id", "delivery_id", "url_id"),
                *("client_ip", "user_agent", pl.col("provider_id").alias("field_12")),
            ),
            rejected,
            {
                "deliveries": _deliveries(fields),
                "messages": _messages(states),
                "tracked_urls": _tracked_urls(reactions),
                "recipients": _recipients(pl.concat([states, choices])),
                "consents": _consents(choices),
            },
        )


def _ids(frame: pl.DataFrame, what: str, *parts: pl.Expr) -> pl.Series:
    """Make ids out of what names something."""
    return hashed_ids(frame.select(identity(what, *parts)).to_series())


def _of_one_address(events: pl.DataFrame) -> pl.DataFrame:
    """Keep the events whose mail went to one address: of the others nobody knows whose they are."""
    return (
        events.filter(pl.col("destination").list.len() == 1).with_columns(concerned="destination").explode("concerned")
    )


def _addressed(events: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Add message and recipient by the one address in `concerned`."""
    named = events.filter(pl.col("concerned").is_not_null())
    return named.with_columns(
        message_id=_message_ids(named, pl.col("concerned")),
        recipient_id=_ids(named, "recipient", pl.lit(reading.person_key), pl.col("concerned")),
    )


def _message_ids(events: pl.DataFrame, address: pl.Expr) -> pl.Series:
    """One mail of SES to several addresses is several messages here."""
    return _ids(events, "message", pl.col("provider_id"), address)


def _reactions(fields: pl.DataFrame) -> pl.DataFrame:
    """Opens, clicks and refusals of subscriptions, with the message and the link that they are of."""
    event_type = pl.col("event_type")
    events = fields.filter(
        event_type.is_in(["Open", "Click"]) | ((event_type == "Subscription") & pl.col("is_opt_out"))
    )
    events = events.with_columns(
        source_url=pl.col("link").fill_null(""),
        label=pl.when(event_type == "Subscription")
        .then(pl.lit("Unsubscribe"))
        .otherwise(pl.col("link_label"))
        .fill_null(""),
        category=pl.col("link_category").fill_null(""),
        type=pl.when(event_type == "Subscription")
        .then(_URL_TYPES["opt-out"])
        .otherwise(pl.col("link_type").replace_strict(_URL_TYPES, default=_CLICK, return_dtype=pl.Int32)),
    )
    # What the tags say is part of the id: a link that stands in the mail with other tags is another link.
    url = [pl.col(name) for name in ("delivery", "source_url", "type", "label", "category")]
    is_of_one = events["destination"].list.len() == 1
    return events.with_columns(
        message_id=pl.when(is_of_one)
        .then(_message_ids(events, pl.col("destination").list.first()))
        .otherwise(_NO_MESSAGE),
        url_id=pl.when(event_type == "Open").then(_OPEN_URL_ID).otherwise(_ids(events, "url", *url)),
    )


def _deliveries(fields: pl.DataFrame) -> pl.DataFrame:
    """What is sent with the same tag is one delivery. It is not said when it was modified: see DialectLines.rows."""
    return (
        fields.group_by("delivery_id", maintain_order=True)
        .agg(pl.col("delivery").first().alias("label"), pl.col("sent_at").min().alias("contact_at"))
        .with_columns(internal_name="label", channel=_EMAIL, is_proof=False, is_model=False)
    )


def _messages(states: pl.DataFrame) -> pl.DataFrame:
    """One row for each message of each event that says what became of it; the newest counts."""
    event_type = pl.col("event_type")
    # A complaint that is taken back says nothing: the message had arrived before.
    told = states.filter(
        ~((event_type == "Complaint") & (pl.col("complaint_type") == "not-spam")).fill_null(value=False)
    )
    rank = event_type.replace_strict(STATES, range(len(STATES)), return_dtype=pl.Int64)
    return told.select(
        "message_id",
        "delivery_id",
        "recipient_id",
        address_domain=pl.col("concerned").str.split("@").list.last(),
        status=pl.when(event_type == "Delivery")
        .then(_SENT)
        .when(event_type.is_in(["Send", "DeliveryDelay"]))
        .then(_PENDING)
        .otherwise(_FAILED),
        failure_reason=_failure_reason(),
        is_seed=False,
        event_at="occurred_at",
        # SES tells milliseconds: of what happened in the same one the rank decides, not what is read last.
        modified_at=pl.col("occurred_at") + pl.duration(microseconds=rank),
    )


def _failure_reason() -> pl.Expr:
    """Code of the seed `failure_reasons`; null where SES does not know, or nothing failed."""
    event_type, sub_type = pl.col("event_type"), pl.col("bounce_sub_type")
    is_bounce = event_type == "Bounce"
    is_permanent, is_transient = (is_bounce & (pl.col("bounce_type") == name) for name in ("Permanent", "Transient"))
    return (
        pl.when(is_permanent & sub_type.is_in(_NOT_SENT_TO))
        .then(_REFUSED)
        .when(is_permanent)
        .then(_USER_UNKNOWN)
        .when(is_transient & (sub_type == "MailboxFull"))
        .then(_MAILBOX_FULL)
        .when(is_transient & sub_type.is_in(_NOT_TAKEN))
        .then(_REFUSED)
        .when(is_transient)
        .then(_UNREACHABLE)
        .when((event_type == "Complaint") & pl.col("complaint_sub_type").is_in(_NOT_SENT_TO))
        .then(_REFUSED)
        .when(event_type == "Complaint")
        .then(_ON_DENYLIST)
        .when(event_type == "Reject")
        .then(_REFUSED)
    )


def _tracked_urls(reactions: pl.DataFrame) -> pl.DataFrame:
    """The links that were clicked; of the others SES says nothing."""
    links = reactions.filter(pl.col("event_type") != "Open")
    return links.select("url_id", "delivery_id", "type", "label", "category", "source_url").unique(maintain_order=True)


def _recipients(addressed: pl.DataFrame) -> pl.DataFrame:
    """Whoever a message was sent to."""
    return addressed.select("recipient_id", email="concerned").unique(maintain_order=True)


def _consents(choices: pl.DataFrame) -> pl.DataFrame:
    """What recipients choose of a contact list as a whole, and of each of its topics."""
    whole = choices.filter(pl.col("unsubscribes_all").is_not_null()).select(
        "recipient_id",
        purpose=pl.format("subscription:{}", "contact_list"),
        is_allowed=~pl.col("unsubscribes_all"),
        effective_at="occurred_at",
    )
    topics = choices.explode("topics").filter(pl.col("topics").is_not_null()).unnest("topics")
    by_topic = topics.select(
        "recipient_id",
        purpose=pl.format("subscription:{}/{}", "contact_list", pl.col("topicName").fill_null("")),
        is_allowed=pl.col("subscriptionStatus") != "OptOut",
        effective_at="occurred_at",
    )
    return pl.concat([whole, by_topic])
