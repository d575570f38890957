"""The page of definitions: every column of every published relation, from the descriptions of the dbt models."""

from typing import Any

_HEADER = """\
# What the figures mean

Every column of every published relation with its formula, from the descriptions of the dbt models; `make metrics`
writes this page. *spec* is the domain specification, *design* the design: both are named by section.
"""
_SCHEMAS = ("marts", "marts_private")


def metrics_page(manifest: dict[str, Any]) -> str:
    """Write the page, in Markdown, from dbt's manifest: one table per relation, by schema and name."""
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    published = sorted((schema, node["name"], node) for node in models if (schema := _schema(node)) in _SCHEMAS)
    return "\n".join([_HEADER, *(_relation(schema, node) for schema, _, node in published)])


def _schema(node: dict[str, Any]) -> str | None:
    """Where readers find the relation: a mart's published view, or a plain view that stands there itself."""
    if node["config"]["materialized"] in {"published_view", "versioned"}:
        published: str | None = node["config"]["meta"].get("published_schema")
        return published
    return str(node["schema"])


def _relation(schema: str, node: dict[str, Any]) -> str:
    rows = [f"| `{column['name']}` | {column['data_type']} | {_cell(column)} |" for column in node["columns"].values()]
    return "\n".join(
        [
            f"## {schema}.{node['name']}\n",
            f"{_cell(node)}\n",
            "| column | type | meaning |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _cell(described: dict[str, Any]) -> str:
    return " ".join(described["description"].split()).replace("|", "\\|")
