"""The warehouse and the sources as Airflow connections name them."""

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from message_tracking.errors import ConfigurationError
from message_tracking.transports.connections import SourceConnection
from message_tracking.warehouse import Warehouse, postgres_url


class WarehouseHook(BaseHook):
    """Gives the library's Warehouse, which connects with psycopg2; Airflow's PostgresHook gives psycopg 3.

    :param warehouse_conn_id: a Postgres connection with host, login, password and, as schema, the database; its port
        is 5432 where it names none. For example
        ``AIRFLOW_CONN_TRACKING_WAREHOUSE=postgresql://tracking_pipeline:…@warehouse:5432/message_tracking``.
    """

    conn_name_attr = "warehouse_conn_id"
    default_conn_name = "tracking_warehouse"
    conn_type = "postgres"
    hook_name = "Message-tracking warehouse"

    def __init__(self, warehouse_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.warehouse_conn_id = warehouse_conn_id

    def get_warehouse(self) -> Warehouse:
        """Return the warehouse of the connection.

        Raises ConfigurationError where the connection lacks a part of the address.
        """
        connection = self.get_connection(self.warehouse_conn_id)
        parts = {
            "host": connection.host,
            "schema": connection.schema,
            "login": connection.login,
            "password": connection.password,
        }
        missing = [name for name, value in parts.items() if not value]
        if missing:
            raise ConfigurationError(
                f"The Airflow connection {self.warehouse_conn_id} has no {', '.join(missing)}.",
                "It must name a Postgres as postgresql://login:password@host:port/database.",
            )
        return Warehouse(
            postgres_url(
                parts["host"] or "",
                connection.port or 5432,
                parts["schema"] or "",
                parts["login"] or "",
                parts["password"] or "",
            )
        )


def source_connection(name: str) -> SourceConnection:
    """Return the connection that a source of the sources file names.

    Raises ConfigurationError where Airflow has none of that name.
    """
    try:
        found = BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        raise ConfigurationError(
            f"Airflow has no connection {name}, which the sources file names.",
            "Make it (Admin, Connections), or put the name in the sources file right.",
        ) from error
    return SourceConnection(
        name,
        kind=found.conn_type or "",
        host=found.host or "",
        port=found.port,
        login=found.login or "",
        password=found.password or "",
        schema=found.schema or "",
        extra=found.extra_dejson,
    )
