"""Trying out changed models: dbt builds them into the analyst's own schema, beside everything that is published."""

import difflib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from psycopg2 import errors

from message_tracking.building import Report, call_dbt, describe
from message_tracking.dbt_manifest import file_lock, parse_project
from message_tracking.embedded import EmbeddedServer, open_warehouse
from message_tracking.errors import ConfigurationError, MessageTrackingError
from message_tracking.migrating import login_name
from message_tracking.settings import Settings
from message_tracking.warehouse import Warehouse, fetch_all

ANALYST = "tracking_analyst"

FOLDER = "dbt-dev"
"""Of the home: dbt's own files, apart from those of the pipeline."""

CUT_VIEWS = "path:models/intermediate,config.materialized:stable_view"
"""Selects the views that the pipeline limits to what a candidate recomputes."""


@dataclass(frozen=True)
class Trial:
    """What was built: the schema, the publication whose data was read, and the names of the relations."""

    schema: str
    publication_id: int
    relations: tuple[str, ...]


def build_trial(settings: Settings, models: Sequence[str], report: Report) -> Trial:
    """Build and test models and seeds, by name or as `name+` with all that is downstream, in the analyst's own schema.

    Everything else is read from the pipeline's schemas, all of it as the live publication shows it, whether or not a
    candidate is open. Nothing outside of the schema is written or locked. Trials of one home wait for each other.

    Raises ConfigurationError where there is no such model or analysts cannot build it, MessageTrackingError where
    nothing was published yet, the login is no analyst's, or a model or test fails.
    """
    warehouse = _analysts_warehouse(settings)
    folder = settings.home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / ".lock"):
        publication_id = _live_publication(warehouse)
        environment = warehouse.dbt_environment()
        manifest = parse_project(settings.dbt_project, folder / "state", environment)
        selection = _selection(json.loads(manifest.read_text()), models)
        schema = str(_call(warehouse, "select ops.make_analyst_schema()"))
        results = call_dbt(
            settings,
            FOLDER,
            ["build", "--target", "dev", "--defer", "--favor-state", "--state", str(manifest.parent), *selection],
            environment
            | {
                "MESSAGE_TRACKING_DBT_SCHEMA": schema,
                # Each of dbt's sessions is pinned to the same publication.
                "PGOPTIONS": f"-c message_tracking.publication={publication_id}",
            },
            report,
        )
    failures = [result for result in results if result["status"] not in {"success", "pass", "warn"}]
    if failures:
        raise MessageTrackingError(
            "\n".join([f"{len(failures)} of {len(results)} steps failed:", *map(describe, failures)]),
            f"What could be built is in {schema}; the dbt log is {settings.home / 'logs' / FOLDER / 'dbt.log'}.",
        )
    # Tests have no "success" but "pass".
    built = (result["unique_id"].split(".")[-1] for result in results if result["status"] == "success")
    return Trial(schema, publication_id, tuple(sorted(built)))


def drop_trial(settings: Settings) -> str:
    """Drop the analyst's own schema with all that is in it; return its name, whether or not it existed."""
    return str(_call(_analysts_warehouse(settings), "select ops.drop_analyst_schema()"))


def _analysts_warehouse(settings: Settings) -> Warehouse:
    """The own Postgres with the login that its URL has, else the embedded server with the analysts' login."""
    warehouse = open_warehouse(settings)
    if settings.warehouse_url:
        return warehouse
    return Warehouse(EmbeddedServer(settings.home).url(login_name(ANALYST)))


def _selection(manifest: dict[str, Any], models: Sequence[str]) -> list[str]:
    """Dbt's selection of the models and of what analysts must have a version of their own of, to get all rows."""
    nodes = {
        node["name"]: unique_id
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] in {"model", "seed"}
    }
    selected = []
    for model in models:
        name = model.removesuffix("+")
        if name not in nodes:
            near = difflib.get_close_matches(name, nodes, n=3)
            raise ConfigurationError(
                f"There is no model or seed {name!r} in the dbt project.",
                f"Did you mean {' or '.join(near)}?" if near else "Name one as its file is named, without the ending.",
            )
        if any(parent.startswith("source.") for parent in manifest["parent_map"][nodes[name]]):
            raise ConfigurationError(
                f"The model {name} reads the schemas raw or ops, which are closed to analysts.",
                "Build what is downstream of it; a change of it is tried out on a warehouse of your own.",
            )
        selected += [model, f"{'@' if model.endswith('+') else '+'}{name},{CUT_VIEWS}"]
    # The names are known to be right; a model without such views is no error.
    silence = json.dumps({"silence": ["JinjaLogWarning", "NoNodesForSelectionCriteria"]})
    return ["--warn-error-options", silence, "--select", *selected]


def _live_publication(warehouse: Warehouse) -> int:
    """Return the number of what readers see now."""
    publication_id = int(_call(warehouse, "select ops.visible_publication()"))
    if not publication_id:
        raise MessageTrackingError(
            "Nothing was published yet, so there is nothing to build on.",
            "Run the pipeline first: `message-tracking run`.",
        )
    return publication_id


def _call(warehouse: Warehouse, query: str) -> Any:
    """Call a function of ops as the login itself."""
    with closing(warehouse.connect("message-tracking dev", role=None)) as connection, connection:
        try:
            return fetch_all(connection, query)[0][0]
        except (errors.InsufficientPrivilege, errors.InvalidSchemaName, errors.UndefinedFunction) as error:
            raise MessageTrackingError(
                f"The login {connection.info.user} cannot have a schema of its own: {error}".rstrip(),
                f"Let the warehouse's owner run `message-tracking migrate` and "
                f"`grant {ANALYST} to {connection.info.user}`.",
            ) from error
