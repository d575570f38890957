"""Who looks at a page, at which publication, and counting whose events; and the addresses that say so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, HTTPException, Query, Request, status

from message_tracking.reports.reading import Audience


@dataclass(frozen=True)
class Viewer:
    """Somebody who has logged in."""

    name: str
    groups: frozenset[str]
    """Of which groups of readers they are (`bi_reader`, …): each sees pages of its own."""


Identify = Callable[..., Viewer]
"""A FastAPI dependency that says who asks, and raises HTTPException 401 where nobody has logged in."""


@dataclass(frozen=True)
class View:
    """What every page and every address has in common."""

    request: Request
    viewer: Viewer
    group: str
    """With whose rights the page reads."""
    audience: Audience
    publication: int | None
    """The publication that the address names; None for the live one."""
    table: str | None
    """The table to export instead of showing the page."""

    @property
    def root(self) -> str:
        """Where the pages are within the application that serves them."""
        return str(self.request.scope.get("root_path", ""))

    def url(self, path: str, **parameters: Any) -> str:
        """The address of a page for the same audience and publication; None leaves a parameter out."""
        common = {
            "audience": self.audience.value if self.audience is not Audience.EVERYTHING else None,
            "publication": self.publication,
        }
        said = {name: value for name, value in (common | parameters).items() if value not in {None, ""}}
        return f"{self.root}{path}{'?' if said else ''}{urlencode(said)}"

    def here(self, **changes: Any) -> str:
        """The address of this page with other parameters; None leaves one out."""
        path = self.request.url.path.removeprefix(self.root)
        return self.url(path, **(dict(self.request.query_params) | {"table": None} | changes))

    def is_at(self, path: str) -> bool:
        """Whether this page has that path."""
        return bool(self.request.url.path == self.root + path)


def identified() -> Viewer:
    """Nobody; each application puts an Identify of its own in the place of this."""
    raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Nobody is let in here.")


def viewing(group: str) -> Callable[..., View]:
    """The dependency of pages that read with the rights of a group: only for those who are of it."""

    def view(
        request: Request,
        viewer: Annotated[Viewer, Depends(identified)],
        audience: Audience = Audience.EVERYTHING,
        publication: Annotated[int | None, Query(ge=1, le=999_999_999)] = None,
        table: Annotated[str | None, Query(max_length=40)] = None,
    ) -> View:
        if group not in viewer.groups:
            raise HTTPException(status.HTTP_403_FORBIDDEN, "This page is not open to you.")
        return View(request, viewer, group, audience, publication, table)

    return view
