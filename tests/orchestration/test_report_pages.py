"""The report pages as Airflow serves them: whom they let in, and what each of Airflow's roles may see."""

ASK_FOR_PAGES = """
import json

from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from message_tracking.reports.routes import router
from message_tracking_airflow.reports import airflow_viewer
from message_tracking_plugin import MessageTrackingPlugin

create_auth_manager().init()
(served,) = MessageTrackingPlugin.fastapi_apps
pages = TestClient(Starlette(routes=[Mount(served["url_prefix"], served["app"])]))
asked = [
    (method, served["url_prefix"] + route.path.format(delivery_id=1, recipient_id=1, report="any"))
    for route in router.routes
    for method in route.methods
]

print("\\n" + json.dumps({
    "groups": {
        role: sorted(airflow_viewer(SimpleAuthManagerUser(username="somebody", role=role)).groups)
        for role in ("VIEWER", "USER", "OP", "ADMIN", None)
    },
    "answers": {" ".join(one): pages.request(*one).status_code for one in asked},
    "static": pages.get(served["url_prefix"] + "/static/reports.css").status_code,
    "navigation": [view["href"] for view in MessageTrackingPlugin.external_views],
}))
"""


def test_every_route_asks_who_is_there_and_roles_decide(inspect):
    found = inspect(ASK_FOR_PAGES)
    assert found["groups"] == {
        "VIEWER": ["bi_reader"],
        "USER": ["bi_reader", "ops_reader"],
        "OP": ["bi_reader", "ops_reader", "tracking_analyst"],
        "ADMIN": ["bi_reader", "ops_reader", "tracking_analyst"],
        "null": [],
    }
    assert len(found["answers"]) >= 8
    assert set(found["answers"].values()) == {401}
    assert found["static"] == 200
    assert found["navigation"] == ["/message-tracking/"]
