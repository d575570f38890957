"""Every rule of dbt-bouncer.yml turns red on something that breaks it; `make lint` shows that the project breaks none."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from message_tracking.settings import PROJECT

RULES = yaml.safe_load((PROJECT / "dbt_project" / "dbt-bouncer.yml").read_text())["manifest_checks"]

FROM_MART = "select delivery_id from {{ ref('deliveries') }}"
POISONED = {
    # in no layer
    "models/clicks.sql": FROM_MART,
    # wrong name, schema and materialization, reads a mart
    "models/staging/tracking/opens.sql": f"{{{{ config(schema='audit', materialized='table') }}}} {FROM_MART}",
    "models/intermediate/clicks_by_day.sql": f"{{{{ config(schema='staging') }}}} {FROM_MART}",
    # wrong name and schema, no contract, reads a source
    "models/marts/deliveries/fct_clicks.sql": (
        "{{ config(schema='marts', contract={'enforced': false}) }}"
        "select delivery_id from {{ source('raw', 'deliveries') }}"
    ),
    "models/marts/deliveries/hard_coded.sql": "select delivery_id from raw.deliveries;",
    "models/marts/deliveries/timed.sql": f"{FROM_MART} where contact_at < now()",
    "models/marts/deliveries/long.sql": f"{FROM_MART}\n" + "-- and so on\n" * 150,
    # described elsewhere, without a grain
    "models/marts/_elsewhere__models.yml": """
        models: [{name: timed, description: Deliveries., config: {contract: {enforced: false}}}]
    """,
    # every column under the wrong name or type, none described
    "models/intermediate/_poisoned__models.yml": """
        models:
          - name: clicks_by_day
            columns:
              - {name: clickedBy, data_type: text}
              - {name: clicked_at, data_type: text}
              - {name: click_date, data_type: text}
              - {name: url_id, data_type: integer}
              - {name: click_count, data_type: integer}
              - {name: click_rate, data_type: double precision}
              - {name: proof, data_type: boolean}
              - {name: clicked, data_type: timestamptz}
              - {name: day, data_type: date}
    """,
    # read by nobody, described nowhere, the same table under two names
    "models/staging/_poisoned__sources.yml": """
        sources:
          - {name: first_name, schema: raw, tables: [{name: clicks}]}
          - {name: second_name, schema: raw, tables: [{name: clicks}]}
    """,
    "macros/poisoned.sql": "{% macro poisoned() %}1{% endmacro %}",
    "seeds/poisoned.csv": "code\n1\n",
}


@pytest.fixture(scope="module")
def broken_rules(tmp_path_factory: pytest.TempPathFactory) -> dict[int, set[str]]:
    """By the place of each rule in the file, the files that break it once everything above is in the project."""
    folder = tmp_path_factory.mktemp("poisoned") / "dbt_project"
    shutil.copytree(PROJECT / "dbt_project", folder, ignore=shutil.ignore_patterns("target", "logs"))
    for name, text in POISONED.items():
        (folder / name).write_text(text)
    programs = Path(sys.executable).parent
    parse = [programs / "dbt", "--quiet", "parse", "--project-dir", folder, "--profiles-dir", folder]
    lint = [programs / "dbt-bouncer", "run", "--config-file", folder / "dbt-bouncer.yml", "--output-file", "out.json"]
    parsed = subprocess.run(
        parse, cwd=folder, env=os.environ | {"DO_NOT_TRACK": "1"}, capture_output=True, text=True, check=False
    )
    assert parsed.returncode == 0, parsed.stdout
    linted = subprocess.run(lint, cwd=folder, capture_output=True, text=True, check=False)
    assert linted.returncode == 1, linted.stderr
    broken: dict[int, set[str]] = {}
    for result in json.loads((folder / "out.json").read_text()):
        if result["outcome"] == "failed":
            place = int(result["check_run_id"].split(":")[1])
            broken.setdefault(place, set()).add(result["file_path"])
    return broken


@pytest.mark.parametrize("place", range(len(RULES)), ids=lambda place: f"{place}-{RULES[place]['name']}")
def test_the_rule_turns_red(broken_rules: dict[int, set[str]], place: int) -> None:
    assert broken_rules.get(place), RULES[place]


def test_nothing_but_what_is_poisoned_breaks_a_rule(broken_rules: dict[int, set[str]]) -> None:
    assert set().union(*broken_rules.values()) <= set(POISONED)
