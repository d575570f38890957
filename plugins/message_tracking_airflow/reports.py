"""The report pages within Airflow: behind its login, each route asking who is there and what they may."""

from functools import cache, partial

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import FastAPI

from message_tracking.errors import ConfigurationError
from message_tracking.migrating import GROUPS
from message_tracking.reports.app import reports_app
from message_tracking.reports.reading import Readers, Sessions, connect_as_reader, reporting_time_zone
from message_tracking.reports.viewing import Viewer
from message_tracking.settings import Settings
from message_tracking.warehouse import Connection
from message_tracking_airflow.hooks import WarehouseHook

PUBLISHING_DAG = DagDetails(id="publish_tracking_marts")
WAREHOUSE = ConnectionDetails(conn_id=WarehouseHook.default_conn_name)


def airflow_viewer(user: GetUserDep) -> Viewer:
    """Which groups of readers a user of Airflow belongs to, by what Airflow lets them do, whoever manages its users.

    Who sees the DAG that publishes sees what it publishes; who may run it sees the pipeline; who may read the
    warehouse's connection, and so its password, sees persons.
    """
    manager = get_auth_manager()
    rights = {
        "bi_reader": manager.is_authorized_dag(method="GET", details=PUBLISHING_DAG, user=user),
        "ops_reader": manager.is_authorized_dag(method="PUT", details=PUBLISHING_DAG, user=user),
        "tracking_analyst": manager.is_authorized_connection(method="GET", details=WAREHOUSE, user=user),
    }
    return Viewer(user.get_name(), frozenset(group for group, is_open in rights.items() if is_open))


@cache
def airflow_app() -> FastAPI:
    """The pages, which read over a connection for each group, named like it."""
    zone = reporting_time_zone(Settings.from_environment())
    readers = Readers({group: Sessions(partial(_connect, group)) for group in GROUPS}, zone)
    return reports_app(readers, airflow_viewer)


def _connect(group: str) -> Connection:
    try:
        warehouse = WarehouseHook(group).get_warehouse()
    except AirflowNotFoundException as error:
        raise ConfigurationError(
            f"Airflow has no connection {group}, over which this page reads.",
            f"Make it (Admin, Connections) with a login of the warehouse that is a member of {group}.",
        ) from error
    return connect_as_reader(warehouse)
