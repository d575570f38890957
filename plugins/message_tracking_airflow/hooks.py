"""The warehouse as an Airflow connection names it."""

from airflow.sdk import BaseHook

from message_tracking.errors import ConfigurationError
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
