"""The cookbooks, followed to the letter on a copy of the project by somebody who knows nothing else."""

import re
import shutil
from contextlib import suppress

import psutil
import pytest
from tests.warehouse.following import BLOCK, Reader, clone

from message_tracking.settings import PROJECT


@pytest.fixture(scope="module")
def reader(tmp_path_factory, home_of_module):
    project = clone(tmp_path_factory.mktemp("clone"))
    case = PROJECT / "tests" / "fixtures" / "golden" / "second-case"
    shutil.copytree(case, home_of_module / "landing" / "campaign", ignore=shutil.ignore_patterns("expected"))
    (home_of_module / "landing" / "golden").mkdir()
    reader = Reader(project, home_of_module)
    reader.run(".venv/bin/message-tracking migrate")
    reader.run(".venv/bin/message-tracking run")
    return reader


@pytest.mark.parametrize(
    ("page", "result"),
    [
        (
            "change_a_mart",
            "select count(seconds_valid) > 0, sum(seconds_valid) = sum(extract(epoch from validity_at - contact_at)) from marts.deliveries",
        ),
        (
            "add_a_mart",
            "select count(*) > 0, sum(click_count) = (select sum(click_count) from marts.url_clicks_by_day) from marts.clicks_by_weekday",
        ),
    ],
)
def test_a_cookbook_leads_to_a_published_mart(reader, contents, page, result):
    steps = list(BLOCK.finditer((PROJECT / "docs" / "cookbooks" / f"{page}.md").read_text(encoding="utf-8")))
    done = []
    for step in steps:
        done.append(step["language"])
        if step["file"]:
            file = reader.project / step["file"]
            assert not file.exists()
            file.parent.mkdir(exist_ok=True)
            file.write_text(step["text"], encoding="utf-8")
        elif step["language"] == "diff":
            reader.run(["git", "apply", "--unidiff-zero", "-"], step["text"])
        elif step["language"] == "sql":
            assert reader.query(step["text"]), step["text"]
        else:
            assert step["language"] == "console"
            for line in step["text"].splitlines():
                command = line.removeprefix("$ ")
                before = contents(reader.server.url())
                reader.run(command)
                is_published = contents(reader.server.url()) != before
                assert is_published == command.endswith(" run"), command
    assert set(done) >= {"console", "diff", "sql"}
    assert reader.query(result) == [(True, True)]
    assert reader.query("select count(*) from pg_namespace where nspname ~ '^dev_'") == [(0,)]


def test_the_cookbook_of_sources_leads_to_published_events(reader):
    page = (PROJECT / "docs" / "cookbooks" / "add_a_source.md").read_text(encoding="utf-8")
    try:
        for step in BLOCK.finditer(page):
            if step["language"] == "diff":
                reader.run(["git", "apply", "--unidiff-zero", "-"], step["text"])
            elif step["language"] == "console":
                reader.run("set -e\n" + re.sub(r"^\$ ", "", step["text"], flags=re.MULTILINE))
            else:
                assert reader.query(step["text"])
    finally:
        for pid in psutil.pids():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if {"http.server", "8123"} <= set(process.cmdline()):
                    process.kill()
    assert reader.query(
        "select count(*) > 1000 from marts.tracking_events where starts_with(event_id, 'elsewhere:')"
    ) == [(True,)]
