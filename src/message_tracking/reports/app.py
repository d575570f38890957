"""The application of the report pages: who is asked, and what all answers have in common."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from message_tracking.errors import MessageTrackingError
from message_tracking.reports.answering import TEMPLATES
from message_tracking.reports.reading import NothingPublishedError, NotKeptError, Readers, UnavailableError
from message_tracking.reports.routes import router
from message_tracking.reports.viewing import Identify, identified

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Pages hold no script and ask nobody else for anything."""


def reports_app(readers: Readers, identify: Identify) -> FastAPI:
    """Make the application; `identify` is asked with each page, and says who is looking."""
    app = FastAPI(title="Message tracking reports", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.readers = readers
    app.dependency_overrides[identified] = identify
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=str(files(__package__) / "static")), name="static")
    app.middleware("http")(_with_headers)
    for error, code in ((UnavailableError, 503), (NotKeptError, 410), (NothingPublishedError, 404)):
        app.add_exception_handler(error, _told(code))
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    return app


async def _with_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _told(code: int) -> Callable[[Request, Any], Response]:
    def page(request: Request, error: MessageTrackingError) -> Response:
        return _error_page(request, code, error.what, error.hint)

    return page


def _refused(request: Request, error: Any) -> Response:
    response = _error_page(request, error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _not_understood(request: Request, error: Any) -> Response:
    names = ", ".join(sorted({str(one["loc"][-1]) for one in error.errors()}))
    return _error_page(request, 400, f"The address is not understood: {names}.", "Begin again from the list.")


TITLES = {
    400: "That address is not understood",
    401: "Please log in",
    403: "Not open to you",
    404: "Nothing here",
    410: "No longer kept",
    503: "The warehouse is away",
}


def _error_page(request: Request, code: int, what: str, hint: str = "") -> Response:
    context = {"title": TITLES.get(code, "Something went wrong"), "what": what, "hint": hint, "root": _root(request)}
    return TEMPLATES.TemplateResponse(request, "error.html", context, code, headers={"Cache-Control": "no-store"})


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))
