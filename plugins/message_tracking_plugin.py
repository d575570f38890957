"""What Airflow loads as a plugin; the package beside it is hidden from that loader by .airflowignore."""

from collections.abc import Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PATH = "/message-tracking"


async def report_pages(scope: MutableMapping[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """Answer as the report pages; they are imported with the first request, since every process loads its plugins."""
    from message_tracking_airflow.reports import airflow_app  # noqa: PLC0415

    await airflow_app()(scope, receive, send)


class MessageTrackingPlugin(AirflowPlugin):
    """Gives Airflow's interface the report pages."""

    name = "message_tracking"
    fastapi_apps = [{"app": report_pages, "url_prefix": PATH, "name": "Message tracking reports"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Message tracking",
            "href": f"{PATH}/",
            "destination": "nav",
            "url_route": "message-tracking",
        }
    ]
