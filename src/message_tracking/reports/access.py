"""The login of pages that are served alone: whoever has the token, which the command prints, is in."""

from hashlib import sha256
from secrets import compare_digest
from typing import Annotated

from fastapi import FastAPI, Form, HTTPException, Request, status
from fastapi.responses import RedirectResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from message_tracking.reports.answering import TEMPLATES
from message_tracking.reports.app import reports_app
from message_tracking.reports.reading import Readers
from message_tracking.reports.viewing import Viewer

COOKIE = "message_tracking_reports"
HOSTS = ["127.0.0.1", "localhost"]
"""Names that the pages answer to: another site's name that leads here is refused."""


def served_alone(readers: Readers, token: str, groups: frozenset[str]) -> FastAPI:
    """Make the application with a login of its own: who has the token is a viewer of these groups."""
    # Ports of one machine share their cookies, so each token has a cookie of its own.
    cookie = f"{COOKIE}_{sha256(token.encode()).hexdigest()[:12]}"

    def identify(request: Request) -> Viewer:
        if not _is_same(request.cookies.get(cookie, ""), token):
            raise HTTPException(
                status.HTTP_401_UNAUTHORIZED, "Open the address that `message-tracking reports` printed."
            )
        return Viewer("token", groups)

    app = reports_app(readers, identify)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)

    @app.get("/login")
    def login(request: Request, token: str = "") -> Response:
        return admitted(token) if token else TEMPLATES.TemplateResponse(request, "login.html", {"root": ""})

    @app.post("/login")
    def login_by_form(token: Annotated[str, Form(max_length=200)]) -> Response:
        return admitted(token)

    def admitted(given: str) -> Response:
        if not _is_same(given, token):
            raise HTTPException(
                status.HTTP_401_UNAUTHORIZED, "That is not the token that `message-tracking reports` printed."
            )
        response = RedirectResponse("/", status.HTTP_303_SEE_OTHER)
        response.set_cookie(cookie, token, httponly=True, samesite="lax")
        return response

    return app


def _is_same(given: str, token: str) -> bool:
    return compare_digest(given.encode(), token.encode())
