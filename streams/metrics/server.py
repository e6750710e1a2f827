"""Serves the metrics of a worker by HTTP, from an event loop in one thread of its own.

Whoever connects is a stranger: the number of connections, the size of a request and the time from accepting a
connection to closing it are bounded, so that nobody takes the files, threads or processor time of the worker.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

import h11
from prometheus_client import CONTENT_TYPE_LATEST

from schemas.errors import UsageError

PATH: Final = "/metrics"
ANSWER_S: Final = 5.0
"""How long a scrape waits for the worker's event loop."""
CONNECTION_S: Final = 10.0
"""From accepting a connection to closing it, however slowly its client sends and reads."""
CONNECTIONS_MAX: Final = 64
REQUEST_BYTES_MAX: Final = 16 * 1024
BACKLOG: Final = 128
READ_BYTES: Final = 4096
ACCEPT_PAUSE_S: Final = 0.1

T = TypeVar("T")

logger = logging.getLogger("sop.metrics")


class MetricsServer:
    """Listens at once, answers from `serve` on until the `with` block ends; whoever asks before waits."""

    def __init__(self, listen: str) -> None:
        """Take `HOST:PORT`; port 0 takes a free one. Raises `UsageError` when nobody can listen there."""
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
        """Where the metrics are."""
        host, port = self._listener.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"

    def serve(self, text: Callable[[], Awaitable[bytes]]) -> None:
        """Answer each scrape with what `text` returns in the server's own event loop.

        A `TimeoutError` or `RuntimeError` that `text` raises is answered with status 503. Scrapes that come while it
        runs share what it returns.
        """
        connections = _Connections(self._listener, text)
        self._thread = threading.Thread(target=self._run, args=[connections], name="metrics", daemon=True)
        self._thread.start()
        logger.info("metrics at %s", self.url)

    def __enter__(self) -> Self:
        """Listen already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer nobody any more."""
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
    """The connections that are open, each with a task that answers it."""

    def __init__(self, listener: socket.socket, text: Callable[[], Awaitable[bytes]]) -> None:
        self._listener = listener
        self._text = text
        self._scrape: asyncio.Future[bytes] | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._asking: dict[asyncio.Task[None], None] = {}
        """Those whose request is not whole yet, the oldest first."""

    def begin(self) -> None:
        """Answer whoever connects; called in the event loop that is to do it."""
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def end(self) -> None:
        """Answer nobody any more; no connection is open afterwards."""
        asyncio.get_running_loop().remove_reader(self._listener)
        left: list[asyncio.Future[Any]] = [*self._open, *([] if self._scrape is None else [self._scrape])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _accept(self) -> None:
        """Take one connection; one too many costs the client that has been asking for the longest time its own."""
        loop = asyncio.get_running_loop()
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # that client has gone again
        except OSError:  # no file is left for it: the next attempt comes later
            loop.remove_reader(self._listener)
            loop.call_later(ACCEPT_PAUSE_S, self.begin)
            return
        connection.setblocking(False)
        task = loop.create_task(self._serve(connection))
        self._open.add(task)
        self._asking[task] = None

        def end(task: asyncio.Task[None]) -> None:
            connection.close()
            self._open.discard(task)
            self._asking.pop(task, None)

        task.add_done_callback(end)
        if len(self._open) > CONNECTIONS_MAX:
            oldest = next(iter(self._asking))
            del self._asking[oldest]
            oldest.cancel()

    async def _serve(self, connection: socket.socket) -> None:
        """Read one request and answer it; a client that is too slow or leaves gets no answer."""
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_BYTES_MAX)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECTION_S):
                try:
                    request = await _request(http, connection)
                except h11.RemoteProtocolError as error:
                    answer = _written(http, error.error_status_hint, b"not a request that is answered here\n")
                else:
                    if request is None:
                        return
                    self._asking.pop(cast("asyncio.Task[None]", asyncio.current_task()), None)
                    answer = await self._answer(http, request)
                await asyncio.get_running_loop().sock_sendall(connection, answer)

    async def _answer(self, http: h11.Connection, request: h11.Request) -> bytes:
        head = request.method == b"HEAD"
        if request.target.partition(b"?")[0] != PATH.encode():
            return _written(http, HTTPStatus.NOT_FOUND, f"only {PATH} is here\n".encode(), head=head)
        if not head and request.method != b"GET":
            return _written(
                http, HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n", headers=[("Allow", "GET, HEAD")]
            )
        if self._scrape is None or self._scrape.done():
            self._scrape = asyncio.ensure_future(self._text())
        try:
            text = await asyncio.shield(self._scrape)
        except (TimeoutError, RuntimeError):
            told = b"the event loop does not answer\n"
            return _written(http, HTTPStatus.SERVICE_UNAVAILABLE, told, head=head)
        return _written(http, HTTPStatus.OK, text, head=head, content_type=CONTENT_TYPE_LATEST)


async def _request(http: h11.Connection, connection: socket.socket) -> h11.Request | None:
    """Return the request of a connection up to its body, None where its client leaves before it is whole.

    Raises `h11.RemoteProtocolError` for what is no request, or too long for one.
    """
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await asyncio.get_running_loop().sock_recv(connection, READ_BYTES))
    return event if isinstance(event, h11.Request) else None


def _written(
    http: h11.Connection,
    status: int,
    body: bytes,
    *,
    head: bool = False,
    content_type: str = "text/plain; charset=utf-8",
    headers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """Return an answer as it is sent; `head`: without its body."""
    fields = [("Content-Type", content_type), ("Content-Length", str(len(body))), ("Connection", "close"), *headers]
    response = h11.Response(status_code=status, reason=HTTPStatus(status).phrase, headers=fields)
    events = [response, *([] if head else [h11.Data(data=body)])]
    return b"".join(http.send(event) or b"" for event in events)


async def ask_loop(loop: asyncio.AbstractEventLoop, question: Callable[[], T]) -> tuple[T, float]:
    """Have an event loop, another thread's, answer a question; return the answer and the seconds it took to come to it.

    Raises TimeoutError when it does not come to it in time, RuntimeError when it is closed.
    """
    answer: Future[tuple[T, float]] = Future()
    asked = time.monotonic()

    def reply() -> None:
        if not answer.set_running_or_notify_cancel():
            return  # nobody waits for it any more
        delay_s = time.monotonic() - asked
        try:
            answer.set_result((question(), delay_s))
        except Exception as error:  # noqa: BLE001 - it belongs to the thread that asked
            answer.set_exception(error)

    loop.call_soon_threadsafe(reply)
    async with asyncio.timeout(ANSWER_S):
        return await asyncio.wrap_future(answer)
