"""Posts JSON to one receiver, within bounds of time and size."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

import aiohttp

from surfaces.http_failures import http_failures

TIMEOUT_S: Final = 10.0
"""How long one request may take, from the look-up of the host to the last byte of the answer."""
ANSWER_BYTES_MAX: Final = 4096
"""How much of an answer is read."""


class Answer(NamedTuple):
    """The status of an answer and the beginning of its text."""

    status: int
    text: str

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300


class Client(Protocol):
    """Posts JSON."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return the answer to a request; raises `Unavailable` if there is none."""


class HttpClient:
    """A `Client` with connections of its own, so that no receiver waits for another; use it as a context manager.

    Follows no redirect, keeps no cookie, and uses no proxy but `proxy` (an http address, empty for none).
    """

    def __init__(self, context: ssl.SSLContext, proxy: str = "") -> None:
        self._context = context
        self._proxy = proxy or None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._context, limit=2),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "sop-streams", "Content-Type": "application/json"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Return the answer to a request; raises `Unavailable` if there is none, with a reason without the address."""
        with http_failures(TIMEOUT_S):
            async with self._session.post(
                url, data=body, headers=headers, proxy=self._proxy, allow_redirects=False
            ) as response:
                text = await response.content.read(ANSWER_BYTES_MAX)
                return Answer(response.status, " ".join(text.decode(errors="replace").split()))
