"""All assets of this project in one place, so that a producer and its consumer cannot drift apart."""

from airflow.sdk import Asset

RAW_EVENTS = Asset(name="raw_events", uri="message-tracking://warehouse/raw/events", group="message_tracking")
DELIVERY_DATA = Asset(name="delivery_data", uri="message-tracking://warehouse/raw/deliveries", group="message_tracking")
PUBLISHED_MARTS = Asset(name="published_marts", uri="message-tracking://warehouse/marts", group="message_tracking")
