"""The web application of a console: its routes, and what it answers when something is wrong."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from schemas.errors import Unavailable, UsageError
from surfaces.console.guard import Guard
from surfaces.console.pages import (
    acts,
    case,
    cases,
    dead_letters,
    find,
    health,
    live,
    login,
    overview,
    partner,
    policy,
    statement,
)
from surfaces.console.parts import Parts
from surfaces.console.templating import STATIC, page
from surfaces.console.visitors import Visitors

_HELP: Final = {
    400: ("This address cannot be used", "Go back to the list and choose again."),
    403: ("You may not do this", "Ask whoever runs the console for the right to do it."),
    404: ("There is nothing here", "Search for the id above, or look through the cases."),
    405: ("This is not possible here", "Go back and use the buttons of the page."),
    500: ("Something went wrong in the console", "Its log says what. Decisions are made without it and go on."),
    503: ("This cannot be had just now", "The console tries again by itself. Load this page again in a moment."),
}

_logger = logging.getLogger(__name__)


class _Static(StaticFiles):
    """Static files, which browsers keep: their addresses change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200 and b"v=" in scope["query_string"]:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def console_app(parts: Parts, hosts: Collection[str]) -> ASGIApp:
    """Return the application, made with `parts`, which answers under the names `hosts`."""
    app = Starlette(
        routes=[
            Route("/", overview.overview),
            Route("/cases", cases.cases),
            Route("/cases.csv", cases.cases_csv),
            Route("/cases.json", cases.cases_json),
            Route("/cases/{case_id:path}", case.case),
            Route("/cases/{case_id:path}", case.personal, methods=["POST"]),
            Route("/statements/{case_id:path}", statement.statements),
            Route("/partners/{partner_id:path}", partner.partner),
            Route("/policy", policy.policy),
            Route("/policy/differences/{name}", policy.difference),
            Route("/dead-letters", dead_letters.dead_letters),
            Route("/dead-letters/{place:path}", dead_letters.dead_letter),
            Route("/dead-letters/{place:path}", dead_letters.content, methods=["POST"]),
            Route("/redrive", dead_letters.plan),
            Route("/redrive", dead_letters.redrive, methods=["POST"]),
            Route("/health", health.health),
            Route("/acts", acts.acts),
            Route("/find", find.find),
            Route("/live", live.live),
            Route("/login", login.login),
            Route("/login", login.log_in, methods=["POST"]),
            Route("/logout", login.log_out, methods=["POST"]),
            Route("/healthz", health.is_alive),
            Route("/readyz", health.is_ready),
            Mount("/static", _Static(directory=STATIC)),
        ],
        exception_handlers={
            HTTPException: _http_error,
            UsageError: _unusable,
            Unavailable: _unavailable,
            Exception: _unexpected,
        },
    )
    app.router.redirect_slashes = False  # an id may end with a slash
    app.state.parts = parts
    visitors = Visitors(app, parts.access, parts.sessions, is_secure=parts.is_secure)
    return Guard(visitors, hosts, is_secure=parts.is_secure)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _error(request, error.status_code, error.detail)


async def _unusable(request: Request, error: Exception) -> Response:
    return await _error(request, 400, str(error))


async def _unavailable(request: Request, error: Exception) -> Response:
    return await _error(request, 503, str(error))


async def _unexpected(request: Request, error: Exception) -> Response:
    _logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return await _error(request, 500, "")


async def _error(request: Request, status: int, detail: str) -> Response:
    title, advice = _HELP.get(status, _HELP[500])
    return await page(request, "error.html", status, title=title, advice=advice, detail=detail, status=status)
