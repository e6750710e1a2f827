"""Serves metrics and health checks over HTTP, from an event loop in a thread of its own.

Clients are not trusted: the number of connections, the size of a request and the lifetime of a connection are bounded,
so that no client can exhaust the process's files, threads or processor time. `prometheus_client`'s own server has a
thread for each connection and none of these bounds.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar, cast

import h11
from prometheus_client import CONTENT_TYPE_LATEST

from schemas.errors import UsageError

PATH: Final = "/metrics"
LIVE_PATH: Final = "/healthz"
READY_PATH: Final = "/readyz"
TEXT: Final = "text/plain; charset=utf-8"
CALL_TIMEOUT_S: Final = 5.0
"""How long a scrape waits for the worker's event loop."""
CONNECTION_S: Final = 10.0
"""Lifetime of a connection, however slowly its client sends and reads."""
CONNECTIONS_MAX: Final = 64
REQUEST_BYTES_MAX: Final = 16 * 1024
BACKLOG: Final = 128
READ_BYTES: Final = 4096
ACCEPT_PAUSE_S: Final = 0.1

Check = Callable[[], Awaitable[str]]
"""Returns why something is not well; empty if it is."""
T = TypeVar("T")

logger = logging.getLogger("sop.metrics")


class MetricsServer:
    """Listens on `HOST:PORT` at once, and answers from `serve` until the `with` block ends. Port 0 is any free one.

    Raises `UsageError` if it cannot listen there.
    """

    def __init__(self, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host.strip("[]"), int(port)))
            self._listener.listen(BACKLOG)
        except OSError as error:
            self._listener.close()
            raise UsageError(f"SOP_METRICS_LISTEN: {listen}: {error.strerror or error}") from error
        self._listener.setblocking(False)
        self._loop = asyncio.SelectorEventLoop()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address of the metrics."""
        host, port = self._listener.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"

    def serve(self, scrape: Callable[[], Awaitable[bytes]], checks: Mapping[str, Check] = {}) -> None:
        """Answer requests with the text that `scrape` returns, and with the results of `checks`, by their paths.

        Both run in the server's event loop. If `scrape` raises `TimeoutError` or `RuntimeError`, or a check returns a
        reason, the answer is status 503. Requests that come while `scrape` runs share its result.
        """
        connections = _Connections(self._listener, scrape, checks)
        self._thread = threading.Thread(target=self._run, args=[connections], name="metrics", daemon=True)
        self._thread.start()
        logger.info("metrics at %s", self.url)

    def __enter__(self) -> Self:
        """Return the server, which listens already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and close all connections."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()
        self._listener.close()

    def _run(self, connections: _Connections) -> None:
        self._loop.call_soon(connections.begin)
        self._loop.run_forever()
        self._loop.run_until_complete(connections.end())


class _Connections:
    """The open connections, with a task for each."""

    def __init__(
        self, listener: socket.socket, scrape: Callable[[], Awaitable[bytes]], checks: Mapping[str, Check]
    ) -> None:
        self._listener = listener
        self._scrape = scrape
        self._checks = {path.encode(): check for path, check in checks.items()}
        self._result: asyncio.Future[bytes] | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._reading: dict[asyncio.Task[None], None] = {}
        """Tasks whose request is not complete yet, the oldest first."""

    def begin(self) -> None:
        """Accept connections, in the running event loop."""
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def end(self) -> None:
        """Close all connections and accept no more."""
        asyncio.get_running_loop().remove_reader(self._listener)
        pending: list[asyncio.Future[Any]] = [*self._open, *([] if self._result is None else [self._result])]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def _accept(self) -> None:
        """Accept one connection; if it is one too many, close the one that has been sending its request the longest."""
        loop = asyncio.get_running_loop()
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # the client has left already
        except OSError:  # out of file descriptors: try again later
            loop.remove_reader(self._listener)
            loop.call_later(ACCEPT_PAUSE_S, self.begin)
            return
        connection.setblocking(False)
        task = loop.create_task(self._serve(connection))
        self._open.add(task)
        self._reading[task] = None

        def end(task: asyncio.Task[None]) -> None:
            connection.close()
            self._open.discard(task)
            self._reading.pop(task, None)

        task.add_done_callback(end)
        if len(self._open) > CONNECTIONS_MAX:
            oldest = next(iter(self._reading))
            del self._reading[oldest]
            oldest.cancel()

    async def _serve(self, connection: socket.socket) -> None:
        """Read one request and answer it, unless the client leaves or is too slow."""
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_BYTES_MAX)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECTION_S):
                try:
                    request = await _request(http, connection)
                except h11.RemoteProtocolError as error:
                    answer = _response(http, error.error_status_hint, b"bad request\n")
                else:
                    if request is None:
                        return
                    self._reading.pop(cast("asyncio.Task[None]", asyncio.current_task()), None)
                    answer = await self._answer(http, request)
                await asyncio.get_running_loop().sock_sendall(connection, answer)

    async def _answer(self, http: h11.Connection, request: h11.Request) -> bytes:
        head = request.method == b"HEAD"
        path = request.target.partition(b"?")[0]
        check = self._checks.get(path)
        if check is None and path != PATH.encode():
            return _response(http, HTTPStatus.NOT_FOUND, f"not found; metrics are at {PATH}\n".encode(), head=head)
        if not head and request.method != b"GET":
            return _response(http, HTTPStatus.METHOD_NOT_ALLOWED, b"use GET or HEAD\n", {"Allow": "GET, HEAD"})
        if check is not None:
            reason = await check()
            status = HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK
            return _response(http, status, f"{reason or 'ok'}\n".encode(), head=head)
        if self._result is None or self._result.done():
            self._result = asyncio.ensure_future(self._scrape())
        try:
            text = await asyncio.shield(self._result)
        except (TimeoutError, RuntimeError):
            problem = b"the worker's event loop does not answer\n"
            return _response(http, HTTPStatus.SERVICE_UNAVAILABLE, problem, head=head)
        return _response(http, HTTPStatus.OK, text, {"Content-Type": CONTENT_TYPE_LATEST}, head=head)


async def _request(http: h11.Connection, connection: socket.socket) -> h11.Request | None:
    """Return a connection's request without its body, None if the client leaves before it is complete.

    Raises `h11.RemoteProtocolError` for a malformed request, or one that is too long.
    """
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await asyncio.get_running_loop().sock_recv(connection, READ_BYTES))
    return event if isinstance(event, h11.Request) else None


def _response(
    http: h11.Connection, status: int, body: bytes, headers: Mapping[str, str] = {}, *, head: bool = False
) -> bytes:
    """Return the bytes of a response, for a `head` request without the body."""
    fields = {"Content-Type": TEXT, "Content-Length": str(len(body)), "Connection": "close", **headers}
    response = h11.Response(status_code=status, reason=HTTPStatus(status).phrase, headers=list(fields.items()))
    events = [response, *([] if head else [h11.Data(data=body)])]
    return b"".join(http.send(event) or b"" for event in events)


async def call_in_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], T]) -> tuple[T, float]:
    """Call a function in the event loop of another thread; return its result and how long the loop took to call it.

    Raises what the function raises, TimeoutError if the loop is too slow, and RuntimeError if it is closed.
    """
    result: Future[tuple[T, float]] = Future()
    requested_s = time.monotonic()

    def call() -> None:
        if not result.set_running_or_notify_cancel():
            return  # timed out
        delay_s = time.monotonic() - requested_s
        try:
            result.set_result((function(), delay_s))
        except Exception as error:  # noqa: BLE001 - raised in the calling thread
            result.set_exception(error)

    loop.call_soon_threadsafe(call)
    async with asyncio.timeout(CALL_TIMEOUT_S):
        return await asyncio.wrap_future(result)
