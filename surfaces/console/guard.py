"""What stands before every page: names of hosts, headers against injection, and limits for slow or greedy clients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, MutableMapping
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX: Final = 64 * 1024
BODY_S: Final = 10.0
"""How long a request may take to send its body."""
SEND_S: Final = 20.0
"""How long a client may take to accept a part of an answer."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
HSTS: Final = "max-age=31536000"

_logger = logging.getLogger(__name__)


class Guard:
    """Passes on requests for names in `hosts` that are complete within bounds, and adds headers to every answer.

    With `is_secure` browsers are told to come by TLS only.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], *, is_secure: bool) -> None:
        self._app = app
        self._hosts = hosts
        self._headers = {**HEADERS, **({"Strict-Transport-Security": HSTS} if is_secure else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        guarded = self._with_headers(send)
        if host_name(host) not in self._hosts:
            text = "This console does not answer under this name. Use its own address, or set SOP_CONSOLE_URL.\n"
            await PlainTextResponse(text, 421)(scope, receive, guarded)
            return
        try:
            body = await _body(receive) if scope["method"] == "POST" else b""
        except (_TooLargeError, TimeoutError) as error:
            status = 413 if isinstance(error, _TooLargeError) else 408
            await PlainTextResponse("The form is too large or came too slowly.\n", status)(scope, receive, guarded)
            return
        await self._app(scope, _replayed(body, receive), guarded)

    def _with_headers(self, send: Send) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            async with asyncio.timeout(SEND_S):
                await send(message)

        return guarded


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case and without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


class _TooLargeError(Exception):
    pass


async def _body(receive: Receive) -> bytes:
    """Return the body of a request; raises `_TooLargeError`, or `TimeoutError` if it comes too slowly."""
    body, has_more = bytearray(), True
    async with asyncio.timeout(BODY_S):
        while has_more:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > BODY_BYTES_MAX:
                raise _TooLargeError
            has_more = message.get("more_body", False)
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    first: MutableMapping[str, Any] | None = {"type": "http.request", "body": body, "more_body": False}

    async def replayed() -> Message:
        nonlocal first
        if first is not None:
            message, first = first, None
            return message
        return await receive()

    return replayed
