"""Somebody who follows a page of the documentation to the letter and knows nothing else."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2

from message_tracking.embedded import EmbeddedServer
from message_tracking.migrating import login_name
from message_tracking.settings import PROJECT
from message_tracking.warehouse import fetch_all

BLOCK = re.compile(
    r"(?:New file `(?P<file>[^`]+)`:\n\n)?^ *```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.DOTALL | re.MULTILINE
)


def clone(folder):
    """Copy what a warehouse needs of the project, to be changed by a test."""
    for name in ("config", "dbt_project", "docs", "expectations", "migrations"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("target", "logs"))
    for name in ("CHANGELOG.md", "requirements.txt"):
        shutil.copy(PROJECT / name, folder)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    return folder


class Reader:
    """Somebody in a clone of the project, with an embedded server of their own."""

    def __init__(self, project, home):
        self.project = project
        self.server = EmbeddedServer(home)
        unset = {"MESSAGE_TRACKING_WAREHOUSE", "MESSAGE_TRACKING_SOURCES"}
        self.environment = {name: value for name, value in os.environ.items() if name not in unset} | {
            "MESSAGE_TRACKING_HOME": str(home),
            "MESSAGE_TRACKING_PROJECT": str(project),
        }

    def run(self, command, text=None):
        done = subprocess.run(
            command,
            shell=isinstance(command, str),
            cwd=self.project,
            env=self.environment,
            input=text,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    def query(self, text):
        with closing(psycopg2.connect(self.server.url(login_name("tracking_analyst")))) as session:
            return fetch_all(session, text)


def scripts(page):
    """The console blocks below each heading of a page, as shell scripts that end at the first error."""
    blocks = {}
    for section in re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
        heading = section.partition("\n")[0]
        blocks[heading] = [
            "set -e\n" + re.sub(r"^ *\$ ", "", block["text"], flags=re.MULTILINE)
            for block in BLOCK.finditer(section)
            if block["language"] == "console"
        ]
    return blocks
