"""Finds out who asks for a page, and lets those in who may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from surfaces.console.access import ANYBODY, NOBODY, Access, Person, Right
from surfaces.console.sessions import Session, Sessions

COOKIE: Final = "sop-console"
SECURE_COOKIE: Final = "__Host-sop-console"
"""With TLS; browsers then refuse it from anything but this host."""
FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a field
OPEN_PATHS: Final = ("/login", "/static/", "/healthz", "/readyz")
PERSON_CHARS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever asks: the person, the network address, and the session if there is one.

    `owner` is whose forms are whose; None if there is neither session nor a user whom a proxy names.
    """

    person: Person
    address: str
    session: Session | None
    owner: str | None


class Visitors:
    """Adds the visitor to every request, and turns away those who may not read."""

    def __init__(self, app: ASGIApp, access: Access, sessions: Sessions, *, is_secure: bool) -> None:
        self._app = app
        self._access = access
        self._sessions = sessions
        self._cookie = SECURE_COOKIE if is_secure else COOKIE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visitor = self.visitor(Headers(scope=scope), (scope.get("client") or ("",))[0])
        scope.setdefault("state", {})["visitor"] = visitor
        path: str = scope["path"]
        if visitor.person.may(Right.READ) or path.startswith(OPEN_PATHS):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", ""):
            wanted = quote(scope["raw_path"].decode("latin-1") + ("?" if scope["query_string"] else ""), safe="")
            wanted += quote(scope["query_string"].decode("latin-1"), safe="")
            await RedirectResponse(f"/login?next={wanted}", 303)(scope, receive, send)
            return
        await PlainTextResponse("Log in first, at /login.\n", 401)(scope, receive, send)

    def visitor(self, headers: Mapping[str, str], peer: str) -> Visitor:
        """Return who asks, from the headers and the address of the connection; only a trusted proxy may name a user."""
        access = self._access
        if access.is_proxy(peer):
            address = self._forwarded(headers.get("x-forwarded-for", "")) or peer
            user = headers.get(access.user_header, "").strip()
            if user and len(user) <= PERSON_CHARS_MAX and user.isprintable():
                return Visitor(access.named(user), address, None, f"user {user}")
        else:
            address = peer
        session = self._sessions.read(_cookies(headers).get(self._cookie, ""))
        owner = None if session is None else f"session {session.session_id}"
        if session is not None and session.name is not None and session.name in access.people:
            return Visitor(access.people[session.name], address, session, owner)
        return Visitor(ANYBODY if access.is_open else NOBODY, address, session, owner)

    def _forwarded(self, header: str) -> str:
        """Return the last address of X-Forwarded-For that no proxy of ours has: those before it may be invented."""
        addresses = [each.strip() for each in header.split(",") if each.strip()]
        strangers = [each for each in addresses if not self._access.is_proxy(each)]
        return strangers[-1][:PERSON_CHARS_MAX] if strangers else ""


def _cookies(headers: Mapping[str, str]) -> dict[str, str]:
    found: SimpleCookie = SimpleCookie()
    try:
        found.load(headers.get("cookie", ""))
    except ValueError:
        return {}
    return {name: morsel.value for name, morsel in found.items()}


def comes_from_elsewhere(request: Request) -> bool:
    """Return whether a browser says that another site sends a form."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")


def local_path(address: str) -> str:
    """Return an address if it is a path of this console, else the first page: nobody is sent elsewhere."""
    parts = urlsplit(address)
    is_local = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc
    return address if is_local and address.isprintable() and "\\" not in address else "/"
