"""docker/postgres-init.sh, run by a real psql on a server that has neither our logins nor our databases."""

import os
import subprocess
from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest

from message_tracking.embedded import AIRFLOW, DATABASE, SUPERUSER, EmbeddedServer, packaged_programs
from message_tracking.migrating import migrate
from message_tracking.settings import PROJECT, Settings
from message_tracking.warehouse import PIPELINE_ROLE, Warehouse, fetch_all

PASSWORDS = {"WAREHOUSE_PASSWORD": "it's mine", "AIRFLOW_DB_PASSWORD": "another", "READER_PASSWORD": "none"}


@pytest.fixture
def initialise(new_home):
    """Run the script as the Postgres image does; return where the server is, as `host:port`."""

    def initialise() -> str:
        server = EmbeddedServer(new_home)
        server.start()
        with closing(psycopg2.connect(server.url(SUPERUSER))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for kind, name in (
                    ("database", DATABASE),
                    ("database", AIRFLOW),
                    ("role", PIPELINE_ROLE),
                    ("role", AIRFLOW),
                ):
                    cursor.execute(f"drop {kind} {name}")
            parameters = connection.get_dsn_parameters()
        environment = {
            "PATH": f"{packaged_programs()}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": parameters["host"],
            "PGPORT": parameters["port"],
            "PGPASSWORD": server.credentials.get(SUPERUSER),
            "POSTGRES_USER": SUPERUSER,
        }
        script = PROJECT / "docker" / "postgres-init.sh"
        subprocess.run([script], env=environment | PASSWORDS, check=True, capture_output=True)
        return f"{parameters['host']}:{parameters['port']}"

    return initialise


def test_the_pipeline_can_migrate_and_airflow_has_a_database_of_its_own(initialise, new_home):
    address = initialise()
    warehouse = Warehouse(f"postgresql://{PIPELINE_ROLE}:it%27s%20mine@{address}/{DATABASE}")
    settings = replace(Settings.from_environment(), home=new_home, warehouse_url=warehouse.url)
    assert migrate(warehouse, settings)
    reader = Warehouse(f"postgresql://bi_reader_login:none@{address}/{DATABASE}")
    with closing(reader.connect(role=None)) as connection:
        assert fetch_all(
            connection, "select has_schema_privilege('marts', 'usage'), has_schema_privilege('raw', 'usage')"
        ) == [(True, False)]
    with (
        closing(psycopg2.connect(f"postgresql://{AIRFLOW}:another@{address}/{AIRFLOW}")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("create table fits (id integer)")
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(f"postgresql://{AIRFLOW}:another@{address}/{DATABASE}")
