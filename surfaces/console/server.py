"""The HTTP server: uvicorn, with limits for those who connect and then say nothing, or slowly."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from schemas.errors import UsageError

HEAD_BYTES_MAX: Final = 32 * 1024
HEAD_S: Final = 10.0
"""How long a connection may take until the head of a request is complete."""
CONNECTIONS_MAX: Final = 600
"""Of the 1,024 files that a process may usually open, some must be left."""
BACKLOG: Final = 512
STOP_S: Final = 3


class LimitedProtocol(H11Protocol):
    """HTTP/1.1 that closes connections on which the head of a request does not come in time."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for a request; if there are too many connections, whoever has waited longest has to go."""
        super().connection_made(transport)
        self._expect_head()
        if len(self.connections) > CONNECTIONS_MAX:
            waiting = [each for each in self.connections if isinstance(each, LimitedProtocol) and each.waits_until_s]
            min(waiting, key=lambda each: each.waits_until_s).transport.abort()

    @property
    def waits_until_s(self) -> float:
        """Until when it waits for the head of a request, by the loop's clock; 0 while one is being answered."""
        return 0.0 if self._head_timer is None else self._head_timer.when()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._forget_head()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Stop waiting once the head is complete."""
        super().handle_events()
        if self._is_answering():
            self._forget_head()

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn's own limit is for those who do not begin one at all."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self._is_answering():
            self._expect_head()

    def _is_answering(self) -> bool:
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete  # type: ignore[redundant-expr] # None at first

    def _expect_head(self) -> None:
        self._forget_head()
        self._head_timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Server(uvicorn.Server):
    """Serves an application; whoever runs it handles signals."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=LimitedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,  # `Visitors` knows which proxies to trust
                server_header=False,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=STOP_S,
                h11_max_incomplete_event_size=HEAD_BYTES_MAX,
            )
        )

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override] # a generator there
        """Leave signals alone."""
        return nullcontext()


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises `UsageError` if it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UsageError(
            f"SOP_CONSOLE_LISTEN: {host}:{port} cannot be listened at: {error.strerror or error}"
        ) from error
