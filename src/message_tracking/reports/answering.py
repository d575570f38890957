"""Answers with a page, or with one of its tables as a file."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from fastapi import HTTPException
from fastapi.responses import Response, StreamingResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.templating import Jinja2Templates

from message_tracking.reports import tables
from message_tracking.reports.reading import Readers, Reading, Snapshot
from message_tracking.reports.tables import Table
from message_tracking.reports.viewing import View

R = TypeVar("R", bound=Reading)
Build = Callable[[Snapshot], dict[str, Any]]
Export = Callable[[Snapshot], Table]


def _templates() -> Jinja2Templates:
    environment = Environment(
        loader=PackageLoader("message_tracking.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"written": tables.written, "instant": tables.instant}
    environment.globals["parts"] = environment.get_template("parts.html").module
    return Jinja2Templates(env=environment)


TEMPLATES = _templates()


def show(
    view: View,
    template: str,
    build: Build,
    exports: Mapping[str, Export] | None = None,
) -> Response:
    """Answer with a page made from what `build` reads, or with one of its tables as CSV.

    `exports` names tables that are longer as a file than on the page.
    """

    def calculated(snapshot: Snapshot) -> dict[str, Any]:
        return build(snapshot) | {
            "publication": snapshot.publication,
            "kept": snapshot.kept,
            "freshness": snapshot.freshness(),
        }

    readers: Readers = view.request.app.state.readers
    opened = partial(readers.snapshot, view.group, view.audience, view.publication)
    return _answer(view, template, opened, build if view.table else calculated, exports or {})


def show_operations(view: View, template: str, build: Callable[[Reading], dict[str, Any]]) -> Response:
    """Answer with a page that is of no publication, or with one of its tables as CSV."""
    readers: Readers = view.request.app.state.readers
    return _answer(view, template, partial(readers.operations, view.group), build, {})


def _answer(
    view: View,
    template: str,
    opened: Callable[[], AbstractContextManager[R]],
    build: Callable[[R], dict[str, Any]],
    exports: Mapping[str, Callable[[R], Table]],
) -> Response:
    if view.table:
        return _as_file(view.table, opened, build, exports)
    with opened() as reading:
        context = build(reading) | {"view": view}
        return TEMPLATES.TemplateResponse(
            view.request, template, context, headers={"Cache-Control": "private, no-store"}
        )


def _as_file(
    name: str,
    opened: Callable[[], AbstractContextManager[R]],
    build: Callable[[R], dict[str, Any]],
    exports: Mapping[str, Callable[[R], Table]],
) -> Response:
    def lines() -> Iterator[str]:
        with opened() as reading:
            table = exports[name](reading) if name in exports else _named(name, build(reading))
            yield from tables.as_csv(table)

    written = lines()
    # What cannot be read is to be an error page, so the first line is made before the answer begins.
    first = next(written)
    return StreamingResponse(
        chain([first], written),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "private, no-store"},
    )


def _named(name: str, context: dict[str, Any]) -> Table:
    found = [value for value in context.values() if isinstance(value, Table)]
    found += [one for value in context.values() if isinstance(value, list) for one in value if isinstance(one, Table)]
    for table in found:
        if table.name == name:
            return table
    raise HTTPException(404, "This page has no such table.")
