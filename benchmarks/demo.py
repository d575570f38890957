"""How long `make demo` takes from a fresh clone, with a warm package cache: `demo_seconds`.

The clone is of what is committed; what is not would not be in anybody's clone.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from benchmarks.measuring import report, say, seconds

from message_tracking.settings import PROJECT

PUBLISHED = r"Publication \d+ was published by the DAG run asset_triggered__"


@contextmanager
def fresh_clone() -> Iterator[Path]:
    """A clone of this repository, as it is committed, in a folder that is deleted at the end."""
    place = Path(tempfile.mkdtemp(prefix="message-tracking-demo-"))
    # As root, the server's system user has to get in.
    place.chmod(0o755)
    clone = place / "clone"
    try:
        run("git", "clone", "--quiet", str(PROJECT), str(clone), folder=place)
        yield clone
    finally:
        shutil.rmtree((clone / ".message-tracking" / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(place)


def run(*command: str, folder: Path) -> str:
    """Run a program where no setting of this project or of its environment is known; returns what it says.

    Ends the benchmark where it fails.
    """
    ours = ("MESSAGE_TRACKING_", "AIRFLOW_", "VIRTUAL_ENV", "MAKE", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}")
    return done.stdout


@click.command()
def main() -> None:
    """Run `make demo` once in a fresh clone, then `make down`."""
    if run("git", "status", "--porcelain", folder=PROJECT):
        say("There are changes that are not committed: they are not in the clone")
    with fresh_clone() as clone:
        say("make demo")
        said: list[str] = []
        try:
            taken = seconds(lambda: said.append(run("make", "demo", folder=clone)))
        finally:
            run("make", "down", folder=clone)
    (output,) = said
    click.echo(output, err=True)
    if not re.search(PUBLISHED, output):
        raise SystemExit("The demo ended well, but does not name the DAG run that published.")
    report("demo_seconds", [taken], "s")


if __name__ == "__main__":
    main()
