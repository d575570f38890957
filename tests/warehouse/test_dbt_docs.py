import json
from pathlib import Path

import yaml
from click.testing import CliRunner

from message_tracking.cli import main
from message_tracking.warehouse import fetch_all


def test_the_page_shows_the_columns_of_every_mart_and_nothing_is_built(
    pipeline, landing, golden, settings, connection, monkeypatch
):
    landing.copy(golden("second-case"))
    pipeline.run()
    built = "select max(build_id) from ops.model_builds"
    before = fetch_all(connection, built)
    monkeypatch.setenv("MESSAGE_TRACKING_HOME", str(settings.home))
    monkeypatch.setenv("MESSAGE_TRACKING_WAREHOUSE", settings.warehouse_url)
    told = CliRunner().invoke(main, ["docs"])
    assert told.exit_code == 0, told.stderr
    page = Path(told.stdout.strip())
    assert page.is_relative_to(settings.home)
    connection.rollback()
    assert fetch_all(connection, built) == before
    assert fetch_all(connection, "select candidate_publication from ops.publication_state") == [(None,)]

    nodes = json.loads((page.parent / "catalog.json").read_text())["nodes"]
    shown = {node["metadata"]["name"]: set(node["columns"]) for node in nodes.values()}
    declared = {
        model["name"]: {column["name"] for column in model["columns"]}
        for file in (settings.dbt_project / "models" / "marts").glob("*/_*__models.yml")
        for model in yaml.safe_load(file.read_text())["models"]
    }
    assert len(declared) >= 8
    assert {name: shown.get(name) for name in declared} == declared
    # The page holds its data. Where usage statistics are on, it would load a tracker from the internet.
    assert "grep the log for what follows the colon" in page.read_text()
    manifest = json.loads((page.parent / "manifest.json").read_text())
    assert manifest["metadata"]["send_anonymous_usage_stats"] is False


def test_a_warehouse_that_cannot_be_reached_says_so(settings, monkeypatch):
    monkeypatch.setenv("MESSAGE_TRACKING_HOME", str(settings.home))
    monkeypatch.setenv("MESSAGE_TRACKING_WAREHOUSE", "postgresql://nobody:none@127.0.0.1:9/none")
    told = CliRunner().invoke(main, ["docs"])
    assert told.exit_code == 1
    assert "Cannot connect to the warehouse at 127.0.0.1:9/none" in told.stderr
