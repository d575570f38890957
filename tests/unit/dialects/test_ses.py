"""What single SES events become."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from message_tracking.dialects import Reading
from message_tracking.dialects.ses import SesEvents

NOW = datetime(2025, 3, 5, tzinfo=UTC)
AT = "2025-03-04T10:00:00.000Z"
LATER = "2025-03-04T11:00:00.000Z"


def event(event_type: str, part: str | None = None, destination=("ada@example.org",), tags=None, **fields):
    mail = {"timestamp": AT, "messageId": "m", "destination": destination, "tags": tags or {"campaign": ["spring"]}}
    return {"eventType": event_type, "mail": mail} | ({part: {"timestamp": LATER, **fields}} if part else {})


def read(*events, **options):
    lines = pl.DataFrame(
        {"line": range(len(events)), "text": [json.dumps(each) for each in events]},
        schema={"line": pl.UInt32, "text": pl.String},
    )
    return SesEvents(options).read(lines, Reading(NOW, "secret"))


def addresses(*names: str):
    return [{"emailAddress": name} for name in names]


@pytest.mark.parametrize(
    ("given", "status", "reason"),
    [
        (event("Send"), 6, None),
        (event("DeliveryDelay", "deliveryDelay", delayedRecipients=[]), 6, None),
        (event("Delivery", "delivery", recipients=["ADA@example.org"]), 1, None),
        (event("Reject"), 2, 20),
        (event("Rendering Failure"), 2, None),
        (event("Bounce", "bounce", bounceType="Permanent", bounceSubType="NoEmail"), 2, 1),
        (event("Bounce", "bounce", bounceType="Permanent", bounceSubType="Suppressed"), 2, 1),
        (event("Bounce", "bounce", bounceType="Permanent", bounceSubType="OnAccountSuppressionList"), 2, 20),
        (event("Bounce", "bounce", bounceType="Transient", bounceSubType="MailboxFull"), 2, 5),
        (event("Bounce", "bounce", bounceType="Transient", bounceSubType="ContentRejected"), 2, 20),
        (event("Bounce", "bounce", bounceType="Transient", bounceSubType="General"), 2, 3),
        (event("Bounce", "bounce", bounceType="Transient"), 2, 3),
        (event("Bounce", "bounce", bounceType="Undetermined", bounceSubType="Undetermined"), 2, None),
        (event("Complaint", "complaint", complaintFeedbackType="abuse"), 2, 8),
        (event("Complaint", "complaint"), 2, 8),
        (event("Complaint", "complaint", complaintSubType="OnAccountSuppressionList"), 2, 20),
    ],
)
def test_states(given, status, reason):
    ((*_, domain, found_status, found_reason, is_seed, _, _),) = read(given).rows["messages"].rows()
    assert (domain, found_status, found_reason, is_seed) == ("example.org", status, reason, False)


def test_what_changes_no_state():
    said = read(event("Complaint", "complaint", complaintFeedbackType="not-spam"), event("Open", "open"))
    assert (said.accepted.height, said.events.height, said.rows["messages"].height) == (2, 1, 0)


def test_what_happened_at_once_has_an_order():
    same = [event("Complaint", "complaint"), event("Bounce", "bounce"), event("Delivery", "delivery")]
    rows = read(*same).rows["messages"].sort("modified_at")
    assert rows["failure_reason"].to_list() == [None, None, 8]
    assert rows["status"].to_list() == [1, 2, 2]
    assert rows["event_at"].unique().to_list() == [datetime(2025, 3, 4, 11)]  # noqa: DTZ001


def test_several_addresses():
    both = ["Ada <ADA@example.org>", "bob@example.org", "ada@example.org"]
    said = read(
        event("Send", destination=both),
        event(
            "Bounce", "bounce", destination=both, bounceType="Permanent", bouncedRecipients=addresses("Bob@example.org")
        ),
        event("Open", "open", destination=both),
        event("Send"),
    )
    assert said.rows["recipients"]["email"].to_list() == ["ada@example.org", "bob@example.org"]
    ada, bob, bounced, alone = said.rows["messages"]["message_id"].to_list()
    assert (bounced, alone) == (bob, ada)
    assert ada != bob
    assert said.events["message_id"].to_list() == [0]


@pytest.mark.parametrize(
    ("tags", "options", "delivery"),
    [
        ({"campaign": ["a", "b"], "ses:configuration-set": ["c"]}, {}, "a"),
        ({"campaign": [], "ses:configuration-set": ["c"]}, {}, "c"),
        ({"campaign": ["a"], "wave": ["w"]}, {"delivery_tag": "wave"}, "w"),
        ({"ses:configuration-set": ["c"]}, {"delivery_tag": "ses:configuration-set"}, "c"),
        ({"other": ["x"]}, {}, "untagged"),
    ],
)
def test_which_delivery(tags, options, delivery):
    assert read(event("Send", tags=tags), **options).rows["deliveries"]["label"].to_list() == [delivery]


def test_the_tags_of_a_link():
    link = "https://shop.example/"
    said = read(
        event("Click", "click", link=link),
        event("Click", "click", link=link, linkTags={}),
        event("Click", "click", link=link, linkTags={"type": ["mirror-page"], "label": ["Online"]}),
        event("Click", "click", link=link, linkTags={"type": ["banner"], "category": ["top"]}),
        event("Click", "click", link=link, tags={"campaign": ["autumn"]}),
    )
    urls = said.rows["tracked_urls"]
    assert urls.select("type", "label", "category").rows() == [
        (1, "", ""),
        (6, "Online", ""),
        (1, "", "top"),
        (1, "", ""),
    ]
    assert said.events["url_id"].n_unique() == urls["url_id"].n_unique() == 4
    assert said.events["url_id"].min() >= 2**62


def preferences(*, unsubscribes: bool, **topics: str):
    statuses = [{"topicName": name, "subscriptionStatus": status} for name, status in topics.items()]
    return {"unsubscribeAll": unsubscribes, "topicSubscriptionStatus": statuses}


@pytest.mark.parametrize(
    ("old", "new", "opt_outs"),
    [
        (preferences(unsubscribes=False), preferences(unsubscribes=True), 1),
        (preferences(unsubscribes=False, news="OptIn"), preferences(unsubscribes=False, news="OptOut"), 1),
        (preferences(unsubscribes=True), preferences(unsubscribes=True), 0),
        (preferences(unsubscribes=True, news="OptOut"), preferences(unsubscribes=False, news="OptIn"), 0),
        (None, preferences(unsubscribes=True), 1),
    ],
)
def test_subscriptions(old, new, opt_outs):
    given = event("Subscription", "subscription", contactList="l", newTopicPreferences=new, oldTopicPreferences=old)
    said = read(given)
    assert said.events.height == opt_outs
    assert said.rows["consents"].select("purpose", "is_allowed").rows() == [
        ("subscription:l", not new["unsubscribeAll"]),
        *(
            (f"subscription:l/{topic['topicName']}", topic["subscriptionStatus"] == "OptIn")
            for topic in new["topicSubscriptionStatus"]
        ),
    ]


def test_equal_events_have_one_key_and_others_another():
    same = event("Open", "open", ipAddress="192.0.2.1")
    other = [
        event("Open", "open", ipAddress="192.0.2.2"),
        event("Click", "click", ipAddress="192.0.2.1", link="x"),
        event("Open", "open", ipAddress="192.0.2.1", destination=["bob@example.org"]),
    ]
    assert read(same, same, *other).accepted["event_key"].n_unique() == 4
    assert read(same).accepted.equals(read(same, delivery_tag="wave").accepted)


def test_feedback_notifications_of_an_identity():
    given = event("Delivery", "delivery")
    given["notificationType"] = given.pop("eventType")
    del given["mail"]["tags"]
    said = read(given)
    assert (said.rows["messages"]["status"].to_list(), said.rows["deliveries"]["label"].to_list()) == (
        [1],
        ["untagged"],
    )


def test_nothing():
    said = read()
    assert [frame.height for frame in (said.accepted, said.events, said.rejected, *said.rows.values())] == [0] * 8
