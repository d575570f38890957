"""Airflow's connections as this library reads them, held against Airflow's own reading."""

import json
from urllib.parse import quote

import pytest
from airflow.sdk import Connection

from message_tracking.errors import ConfigurationError
from message_tracking.transports.connections import environment_connections

SECRET = "p@ss/wörd:%&?"

WRITTEN = {
    "everything": {
        "conn_type": "sftp",
        "host": "logs.example",
        "port": 2222,
        "login": "reader@home",
        "password": SECRET,
        "schema": "srv/logs",
        "extra": {"key_file": "/a b/key", "host_key": "AAAA+/="},
    },
    "nothing but a host": {"conn_type": "http", "host": "logs.example"},
    "no host": {"conn_type": "aws", "login": "AKIA", "password": SECRET, "extra": {"region_name": "eu-west-1"}},
    "nested extra": {"conn_type": "aws", "extra": {"config": {"retries": 3}, "flag": True}},
    "a kind of two words": {"conn_type": "google_cloud_platform", "host": "x"},
}


@pytest.mark.parametrize("form", ["uri", "json"])
@pytest.mark.parametrize("name", WRITTEN)
def test_is_read_as_airflow_reads_it(name: str, form: str) -> None:
    written = WRITTEN[name]
    theirs = Connection(conn_id="tracking_files", **{**written, "extra": json.dumps(written.get("extra", {}))})
    text = theirs.get_uri() if form == "uri" else theirs.as_json()
    ours = environment_connections({"AIRFLOW_CONN_TRACKING_FILES": text})("tracking_files")
    read = Connection.from_json(text) if form == "json" else Connection.from_uri(text, "tracking_files")
    assert (ours.kind, ours.host, ours.port, ours.login, ours.password, ours.schema, dict(ours.extra)) == (
        read.conn_type,
        read.host or "",
        read.port,
        read.login or "",
        read.password or "",
        read.schema or "",
        read.extra_dejson,
    )
    assert SECRET not in repr(ours)


@pytest.mark.parametrize(
    "text", [SECRET, f"sftp://a:{quote(SECRET)}@host:port", '{"password": "' + SECRET, '{"port": "x"}', "{}x"]
)
def test_what_cannot_be_read_is_named_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_TRACKING_FILES cannot be read") as told:
        environment_connections({"AIRFLOW_CONN_TRACKING_FILES": text})("tracking_files")
    assert SECRET not in str(told.value)
    assert told.value.__suppress_context__


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="There is no connection tracking_files.*AIRFLOW_CONN_TRACKING_FILES"):
        environment_connections({})("tracking_files")


def test_parts_that_are_needed() -> None:
    connection = environment_connections({"AIRFLOW_CONN_X": "sftp://"})("x")
    with pytest.raises(ConfigurationError, match="The connection x has no host and no login"):
        connection.require("host", "login")
