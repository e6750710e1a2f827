"""Logging in with a token, and out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from surfaces.console.acting import checked_form
from surfaces.console.parts import Parts, parts_of, visitor_of
from surfaces.console.sessions import SESSION_S
from surfaces.console.templating import page
from surfaces.console.visitors import COOKIE, SECURE_COOKIE, Visitor, local_path


async def login(request: Request) -> Response:
    """Show the form, in a session of its own, so that nobody else can have it sent."""
    return await _form(request, 200, "")


async def log_in(request: Request) -> Response:
    """Begin a new session for the owner of a token."""
    parts, visitor = parts_of(request), visitor_of(request)
    form = await checked_form(request, None)
    person = parts.access.with_token(form.get("token", "").strip())
    if person is None:
        return await _form(request, 403, "Nobody has this token. Ask whoever runs the console.")
    if visitor.session is not None:
        parts.sessions.end(visitor.session)
    _, cookie = parts.sessions.begin(person.name)
    response = RedirectResponse(local_path(form.get("next", "")), 303)
    _set_cookie(parts, response, cookie)
    return response


async def log_out(request: Request) -> Response:
    """End the session."""
    parts, visitor = parts_of(request), visitor_of(request)
    await checked_form(request, None)
    if visitor.session is not None:
        parts.sessions.end(visitor.session)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(_cookie_name(parts), path="/", secure=parts.is_secure, httponly=True, samesite="strict")
    return response


async def _form(request: Request, status: int, problem: str) -> Response:
    parts, visitor = parts_of(request), visitor_of(request)
    cookie = None
    if visitor.owner is None:
        session, cookie = parts.sessions.begin(None)
        owner = f"session {session.session_id}"
        request.state.visitor = Visitor(visitor.person, visitor.address, session, owner)
    following = local_path(request.query_params.get("next", "/"))
    response = await page(request, "login.html", status, problem=problem, following=following)
    if cookie is not None:
        _set_cookie(parts, response, cookie)
    return response


def _set_cookie(parts: Parts, response: Response, cookie: str) -> None:
    response.set_cookie(
        _cookie_name(parts),
        cookie,
        max_age=SESSION_S,
        path="/",
        secure=parts.is_secure,
        httponly=True,
        samesite="strict",
    )


def _cookie_name(parts: Parts) -> str:
    return SECURE_COOKIE if parts.is_secure else COOKIE
