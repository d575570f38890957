"""The checks of files in .pre-commit-config.yaml, each on a file that breaks it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from message_tracking.settings import PROJECT

CONFIG = PROJECT / ".pre-commit-config.yaml"

# Written so that this file itself breaks no check.
POISONED = {
    "merge-conflict": ("notes.md", "<" * 7 + " ours\na\n" + "=" * 7 + "\nb\n" + ">" * 7 + " theirs\n"),
    "large-files": ("dump.csv", "0123456789\n" * 50_000),
    "private-key": ("id_rsa", "-----BEGIN RSA " + "PRIVATE KEY-----\n"),
    "secrets": ("settings.py", "aws = '" + "AKIA" + "Z7QWERTYUIOPASDF'\n"),
    "trailing-whitespace": ("notes.md", "a line \n"),
    "yaml": ("sources.yml", "sources: [\n"),
    "compose": ("docker-compose.yml", "services: {redis: {imag: redis}}\n"),
    "hadolint": ("docker/Dockerfile", "FROM python\n"),
}


@pytest.fixture
def check(tmp_path):
    """Run one check on a repository with one file."""

    def check(hook: str, name: str, text: str) -> "subprocess.CompletedProcess[str]":
        shutil.copy(CONFIG, tmp_path)
        (tmp_path / ".venv").symlink_to(sys.prefix)
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        # A commit hook that runs this test has variables of its own repository.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        for command in (
            ["git", "init", "--quiet"],
            ["git", "add", name],
            [Path(sys.executable).with_name("pre-commit"), "run", "--all-files", hook],
        ):
            done = subprocess.run(
                command,
                cwd=tmp_path,
                env=environment | {"PRE_COMMIT_HOME": str(tmp_path / "pre-commit")},
                capture_output=True,
                text=True,
                check=False,
            )
        return done

    return check


@pytest.mark.parametrize("hook", POISONED)
def test_a_file_that_breaks_the_check_is_named(check, hook):
    name, text = POISONED[hook]
    done = check(hook, name, text)
    assert done.returncode == 1
    assert "Failed" in done.stdout
    assert name in done.stdout


@pytest.mark.parametrize(
    "hook", ["merge-conflict", "large-files", "private-key", "secrets", "trailing-whitespace", "yaml"]
)
def test_a_plain_file_passes(check, hook):
    assert check(hook, "notes.yml", "a: 1\n").returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "warehouse = 'postgresql://tracking:" + "9fJ2kQ7xLw@db.example/warehouse'\n",
        "WAREHOUSE_PASSWORD = '" + "9fJ2kQ7xLw'\n",
        "token = '" + "ghp_" + "a1B2c3" * 6 + "'\n",
        "key = '" + "8f14e45fceea" + "167a5a36dedd" + "4bea2543" + "'\n",
    ],
)
def test_a_planted_secret_is_found_and_not_repeated(check, text):
    done = check("secrets", "settings.py", text)
    assert done.returncode == 1
    assert "settings.py:1" in done.stdout
    assert "9fJ2kQ7xLw" not in done.stdout


@pytest.mark.parametrize("password", ["password", "secret"])
def test_an_example_is_no_secret(check, password):
    assert check("secrets", "notes.md", f"postgresql://login:{password}@host/database\n").returncode == 0


def test_every_check_comes_from_this_repository_and_its_environment():
    repositories = yaml.safe_load(CONFIG.read_text())["repos"]
    assert {repository["repo"] for repository in repositories} == {"local"}
    hooks = [hook for repository in repositories for hook in repository["hooks"]]
    assert set(POISONED) < {hook["id"] for hook in hooks}
    # pygrep is pre-commit itself
    assert {hook["language"] for hook in hooks} == {"system", "pygrep"}
    programs = [hook["entry"].removeprefix("env ").split() for hook in hooks if hook["language"] == "system"]
    assert all(next(word for word in words if "=" not in word).startswith(".venv/bin/") for words in programs)
