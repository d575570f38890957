"""The fields of SES events that are looked at, as flat columns."""

from datetime import UTC

import polars as pl

from message_tracking.dialects import Reading
from message_tracking.dialects.hashing import identity
from message_tracking.dialects.json_lines import FIELD_TYPES, NOT_JSON, read_json_lines
from message_tracking.loading.reference_tables import instant
from message_tracking.parsing.tracking_log import ADDRESS, EARLIEST, LONGEST_AHEAD

STATES = ("Send", "DeliveryDelay", "Delivery", "Reject", "Rendering Failure", "Bounce", "Complaint")
"""Event types that say what became of messages. Of two that happened at once the one further right counts."""
EVENT_TYPES = (*STATES, "Open", "Click", "Subscription")
UNTAGGED = "untagged"
"""The delivery of what names none."""
REJECT_REASONS = {
    NOT_JSON: "the line is no JSON object",
    FIELD_TYPES: "a field that is looked at holds something else than SES writes there",
    "event_type_unknown": "`eventType` is missing or none of those above",
    "message_id_missing": "`mail.messageId` is missing or empty",
    "destination_missing": "`mail.destination` names nobody",
    "link_missing": "a click without `link`",
    "time_form": "`mail.timestamp` or the event's own is missing or no time in ISO 8601",
    "time_range": "one of them is before 2000-01-01 or more than a day after the load",
    "ip_address_form": "`ipAddress` is neither empty nor an IPv4 or IPv6 address",
    "text_holds_nul": "a text holds the character NUL or half of a character",
}
"""Code → what it means, in the order of checking."""

_CONFIGURATION_SET = "ses:configuration-set"
_PARTS = {
    "Open": "open",
    "Click": "click",
    "Bounce": "bounce",
    "Complaint": "complaint",
    "Delivery": "delivery",
    "DeliveryDelay": "deliveryDelay",
    "Subscription": "subscription",
}
"""Event type → the field that says when it happened. The others happened when the mail was sent."""
_CONCERNED = {"Bounce": "bouncedRecipients", "Complaint": "complainedRecipients", "DeliveryDelay": "delayedRecipients"}

_TEXTS = pl.List(pl.String)
_ADDRESSES = pl.List(pl.Struct({"emailAddress": pl.String}))
_TOPICS = pl.List(pl.Struct({"topicName": pl.String, "subscriptionStatus": pl.String}))
_PREFERENCES = pl.Struct({"unsubscribeAll": pl.Boolean, "topicSubscriptionStatus": _TOPICS})
_LINK_TAGS = pl.Struct({"type": _TEXTS, "label": _TEXTS, "category": _TEXTS})


def _texts(*names: str) -> dict[str, pl.DataType | type[pl.DataType]]:
    return dict.fromkeys(names, pl.String)


def _schema(delivery_tag: str) -> pl.Schema:
    """Name the fields; SES writes more."""
    tags = pl.Struct({delivery_tag: _TEXTS, _CONFIGURATION_SET: _TEXTS})
    feedback = _texts("timestamp", "feedbackId")
    parts: dict[str, dict[str, pl.DataType | type[pl.DataType]]] = {
        "mail": {**_texts("timestamp", "messageId"), "destination": _TEXTS, "tags": tags},
        "open": _texts("timestamp", "ipAddress", "userAgent"),
        "click": {**_texts("timestamp", "ipAddress", "userAgent", "link"), "linkTags": _LINK_TAGS},
        "bounce": {**feedback, **_texts("bounceType", "bounceSubType"), "bouncedRecipients": _ADDRESSES},
        "complaint": {
            **feedback,
            **_texts("complaintFeedbackType", "complaintSubType"),
            "complainedRecipients": _ADDRESSES,
        },
        "delivery": {**_texts("timestamp"), "recipients": _TEXTS},
        "deliveryDelay": {**_texts("timestamp"), "delayedRecipients": _ADDRESSES},
        "subscription": {
            **_texts("timestamp", "contactList"),
            "newTopicPreferences": _PREFERENCES,
            "oldTopicPreferences": _PREFERENCES,
        },
    }
    return pl.Schema(
        {**_texts("eventType", "notificationType"), **{name: pl.Struct(fields) for name, fields in parts.items()}}
    )


def read_fields(lines: pl.DataFrame, delivery_tag: str, reading: Reading) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the columns of the lines that are good, and (`line`, `reason`) of the others."""
    read, broken = read_json_lines(lines, _schema(delivery_tag))
    judged = (
        read.select("line", *_common(delivery_tag), *_reaction(), *_state(), *_subscription())
        .with_columns(event_key=_event_key())
        .with_columns(reason=_fault(reading))
    )
    is_good = judged["reason"].is_null()
    return judged.filter(is_good).drop("reason"), pl.concat([broken, judged.filter(~is_good).select("line", "reason")])


def _field(part: str, name: str) -> pl.Expr:
    return pl.col(part).struct.field(name)


def _event_type() -> pl.Expr:
    """Feedback notifications of an identity, which have no tags, say it by the other name."""
    return pl.coalesce("eventType", "notificationType")


def _common(delivery_tag: str) -> list[pl.Expr]:
    """What every event has."""
    event_type, tags = _event_type(), _field("mail", "tags").struct
    own_time = pl.coalesce(
        *(pl.when(event_type == name).then(_field(part, "timestamp")) for name, part in _PARTS.items()),
        pl.when(~event_type.is_in(list(_PARTS))).then(_field("mail", "timestamp")),
    )
    named = [tags.field(tag).list.first() for tag in (delivery_tag, _CONFIGURATION_SET)]
    return [
        event_type.alias("event_type"),
        _field("mail", "messageId").fill_null("").alias("provider_id"),
        _destination().alias("destination"),
        instant(_field("mail", "timestamp").fill_null("")).alias("sent_at"),
        instant(own_time.fill_null("")).alias("occurred_at"),
        pl.coalesce(*named, pl.lit(UNTAGGED)).alias("delivery"),
    ]


def _reaction() -> list[pl.Expr]:
    """What opens and clicks have; null for others."""
    link_tags = _field("click", "linkTags").struct
    return [
        *(
            pl.coalesce(_field("open", name), _field("click", name), pl.lit("")).alias(alias)
            for name, alias in (("ipAddress", "client_ip"), ("userAgent", "user_agent"))
        ),
        _field("click", "link").alias("link"),
        *(link_tags.field(name).list.first().alias(f"link_{name}") for name in ("type", "label", "category")),
    ]


def _state() -> list[pl.Expr]:
    """What the events have that say what became of messages; `concerned` are the addresses it became of."""
    event_type = _event_type()
    named = [
        pl.when(event_type == name).then(
            _field(_PARTS[name], field).list.eval(pl.element().struct.field("emailAddress"))
        )
        for name, field in _CONCERNED.items()
    ]
    named.append(pl.when(event_type == "Delivery").then(_field("delivery", "recipients")))
    # Where one address was written to it was that one, whatever a server that answered made of it.
    is_only_one = _destination().list.len() == 1
    is_named = event_type.is_in([*_CONCERNED, "Delivery"])
    return [
        pl.when(is_only_one | ~is_named)
        .then(_destination())
        .otherwise(_addresses(pl.coalesce(named)))
        .alias("concerned"),
        _field("bounce", "bounceType").alias("bounce_type"),
        _field("bounce", "bounceSubType").alias("bounce_sub_type"),
        _field("complaint", "complaintFeedbackType").alias("complaint_type"),
        _field("complaint", "complaintSubType").alias("complaint_sub_type"),
        pl.coalesce(_field("bounce", "feedbackId"), _field("complaint", "feedbackId")).alias("feedback_id"),
    ]


def _subscription() -> list[pl.Expr]:
    """What changes of subscriptions have; null for others."""
    new, old = (_field("subscription", f"{age}TopicPreferences").struct for age in ("new", "old"))

    def refused(topics: pl.Expr) -> pl.Expr:
        return topics.list.eval(pl.element().struct.field("subscriptionStatus") == "OptOut").list.sum().fill_null(0)

    has_left = new.field("unsubscribeAll") & ~old.field("unsubscribeAll").fill_null(value=False)
    topics = new.field("topicSubscriptionStatus")
    return [
        _field("subscription", "contactList").fill_null("").alias("contact_list"),
        new.field("unsubscribeAll").alias("unsubscribes_all"),
        topics.alias("topics"),
        (has_left.fill_null(value=False) | (refused(topics) > refused(old.field("topicSubscriptionStatus")))).alias(
            "is_opt_out"
        ),
    ]


def _destination() -> pl.Expr:
    return _addresses(_field("mail", "destination"))


def _addresses(texts: pl.Expr) -> pl.Expr:
    """Read addresses, each once: without the name before them, in lower case."""
    text = pl.element()
    bare = pl.coalesce(text.str.extract("<([^<>]*)>"), text).str.strip_chars().str.to_lowercase()
    return texts.list.eval(pl.when(bare != "").then(bare)).list.drop_nulls().list.unique(maintain_order=True)


def _event_key() -> pl.Expr:
    """Tell events apart. SES gives them no id, so it is all that is looked at, whatever our options make of it."""
    topics = pl.col("topics").list.eval(
        identity(*(pl.element().struct.field(name) for name in ("topicName", "subscriptionStatus")))
    )
    return identity(
        *(pl.col(name) for name in ("event_type", "provider_id")),
        *(pl.col(name).dt.epoch("us") for name in ("sent_at", "occurred_at")),
        *(pl.col(name).list.sort().list.join(",") for name in ("destination", "concerned")),
        *(pl.col(name) for name in ("client_ip", "user_agent", "link", "link_type", "link_label", "link_category")),
        *(pl.col(name) for name in ("bounce_type", "bounce_sub_type", "complaint_type", "complaint_sub_type")),
        *(pl.col(name) for name in ("feedback_id", "contact_list", "unsubscribes_all")),
        topics.list.join(","),
    )


def _fault(reading: Reading) -> pl.Expr:
    """Say why a line cannot be taken, by the first of REJECT_REASONS that applies."""
    times = pl.col("sent_at"), pl.col("occurred_at")
    earliest, latest = (
        pl.lit(limit.astimezone(UTC).replace(tzinfo=None)) for limit in (EARLIEST, reading.loaded_at + LONGEST_AHEAD)
    )
    faults = {
        "event_type_unknown": ~pl.col("event_type").is_in(list(EVENT_TYPES)).fill_null(value=False),
        "message_id_missing": pl.col("provider_id") == "",
        "destination_missing": pl.col("destination").list.len().fill_null(0) == 0,
        "link_missing": (pl.col("event_type") == "Click") & (pl.col("link").fill_null("") == ""),
        "time_form": pl.any_horizontal(time.is_null() for time in times),
        "time_range": ~pl.all_horizontal(time.is_between(earliest, latest) for time in times),
        "ip_address_form": ~pl.col("client_ip").str.contains(f"^$|{ADDRESS}"),
        "text_holds_nul": identity(pl.col("event_key"), pl.col("delivery")).str.contains("\x00", literal=True),
    }
    return pl.coalesce(*(pl.when(is_so).then(pl.lit(reason)) for reason, is_so in faults.items()))
