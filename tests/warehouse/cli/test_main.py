"""What the command line says when the server or the machine lets it down: two lines, never a traceback."""

import errno
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from click.testing import CliRunner
from psycopg2 import errors

from message_tracking.cli import main
from message_tracking.cli.main import Verbs
from message_tracking.embedded import SUPERUSER
from message_tracking.warehouse import fetch_all

VERBS = (
    ("load",),
    ("replay",),
    ("run",),
    ("recompute",),
    ("build",),
    ("validate",),
    ("publish",),
    ("abandon",),
    ("rollback",),
    ("status",),
    ("docs",),
)


def invoke(settings, *arguments, url=None):
    """The same within this process, which is quicker."""
    environment = {
        "MESSAGE_TRACKING_HOME": str(settings.home),
        "MESSAGE_TRACKING_WAREHOUSE": url or settings.warehouse_url,
    }
    return CliRunner().invoke(main, arguments, env=environment)


def two_lines(told):
    """What was said on the error stream; it must say what to do and be no traceback."""
    assert told.exit_code == 1, told.output
    assert "Traceback" not in told.stderr
    assert not isinstance(told.exception, psycopg2.Error | OSError)
    assert told.stderr.startswith("Error: ")
    return told.stderr


@pytest.mark.parametrize("verb", [*VERBS, ("migrate",), ("dev", "deliveries")], ids=" ".join)
def test_a_server_that_is_away(settings, verb):
    said = two_lines(invoke(settings, *verb, url="postgresql://u:secret@127.0.0.1:1/warehouse"))
    assert "Cannot connect to the warehouse at 127.0.0.1:1/warehouse" in said
    assert "secret" not in said
    assert "Is the server running?" in said


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_database_that_was_never_migrated(settings, verb, url_of, administrator, database):
    administrator(f"create database {database}_new owner tracking_pipeline template template0")
    try:
        said = two_lines(invoke(settings, *verb, url=f"{settings.warehouse_url}_new"))
    finally:
        administrator(f"drop database {database}_new with (force)")
    assert "lacks the migration 0001_schemas_and_roles" in said
    assert "message-tracking migrate" in said


def test_a_database_of_a_newer_version(settings, administrator):
    administrator("insert into ops.migrations (name, checksum) values ('9999_later', '')")
    said = two_lines(invoke(settings, "status"))
    assert "9999_later was applied, but is not in the project" in said


def test_a_session_that_is_ended_in_mid_work(settings, landing, administrator, url_of):
    landing.write_log(["50x0000000000000001\t2026-01-05T10:00:00\t1\t1\t1\t0\t\t\t\tMozilla/5.0\t203.0.113.9"])
    (settings.home / "sources.yml").write_text("sources: [{name: campaign, kind: folder, path: landing/campaign}]")
    with (
        closing(psycopg2.connect(url_of(SUPERUSER))) as holder,
        closing(psycopg2.connect(url_of(SUPERUSER))) as watcher,
        holder.cursor() as cursor,
    ):
        cursor.execute("lock table ops.id_ranges")
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("message-tracking")), "load"],
            env=os.environ
            | {
                "MESSAGE_TRACKING_HOME": str(settings.home),
                "MESSAGE_TRACKING_WAREHOUSE": settings.warehouse_url,
                "MESSAGE_TRACKING_SOURCES": str(settings.home / "sources.yml"),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        ended = []
        while not ended:
            assert process.poll() is None
            # A transaction sees the sessions as they were when it first looked.
            watcher.rollback()
            ended = fetch_all(
                watcher,
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where wait_event_type = 'Lock' and datname = current_database()",
            )
    _, said = process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "The warehouse's server has ended the work: " in said
    assert "run this again" in said


@pytest.mark.parametrize(
    ("error", "what", "hint"),
    [
        (errors.DiskFull("could not extend file: No space left on device"), "disk of the warehouse's server", "Free"),
        (errors.InsufficientPrivilege("permission denied for schema raw"), "permission denied", "doctor"),
        (OSError(errno.ENOSPC, "No space left", "/home/x/dbt.log"), "The disk is full: /home/x/dbt.log", "Free space"),
        (PermissionError(errno.EACCES, "denied", "/home/x"), "/home/x: Permission denied", "doctor"),
    ],
    ids=["server's disk", "rights", "disk", "file"],
)
def test_what_the_server_and_the_machine_say_is_shown_with_a_remedy(error, what, hint):
    def fail():
        raise error

    group = Verbs(commands={})
    group.command("fail")(fail)
    said = two_lines(CliRunner().invoke(group, ["fail"]))
    assert what in said
    assert hint in said.splitlines()[-1]
