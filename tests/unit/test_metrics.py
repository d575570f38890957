"""The page of definitions is what the models say, and the models say it of every column."""

import json
import re
from dataclasses import replace

import pytest

from message_tracking.dbt_manifest import fresh_manifest
from message_tracking.metrics import metrics_page
from message_tracking.settings import PROJECT, Settings

SECTION = re.compile(r"\b(spec|design) [0-9]")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    settings = replace(Settings.from_environment(), home=tmp_path_factory.mktemp("home"))
    return json.loads(fresh_manifest(settings).read_text())


def test_the_page_is_not_stale(manifest):
    assert (PROJECT / "docs" / "metrics.md").read_text() == metrics_page(manifest), "run `make metrics`"


def test_every_column_has_a_formula_and_its_section(manifest):
    rows = re.findall(r"^\| `(\w+)` \| (\S*) \| (.*) \|$", metrics_page(manifest), flags=re.M)
    assert len(rows) > 100
    assert [name for name, data_type, meaning in rows if not data_type or not SECTION.search(meaning)] == []


def test_every_relation_says_its_grain_first(manifest):
    page = metrics_page(manifest)
    relations = re.findall(r"^## (\S+)\n\n(.*)$", page, flags=re.M)
    assert len(relations) >= 14
    assert [name for name, description in relations if not description.startswith("One row per ")] == []
