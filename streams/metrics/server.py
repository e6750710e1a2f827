"""Serves the metrics of a worker by HTTP, from a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Final, Self, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST

from schemas.errors import UsageError

PATH: Final = "/metrics"
ANSWER_S: Final = 5.0

T = TypeVar("T")

logger = logging.getLogger("sop.metrics")


class MetricsServer:
    """Listens at once, answers from `serve` on until the `with` block ends; whoever asks before waits."""

    def __init__(self, listen: str) -> None:
        """Take `HOST:PORT`; port 0 takes a free one. Raises `UsageError` when nobody can listen there."""
        host, _, port = listen.rpartition(":")
        try:
            self._listener = _Listener(host.strip("[]"), int(port))
        except OSError as error:
            raise UsageError(f"SOP_METRICS_LISTEN: {listen}: {error.strerror or error}") from error
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host, port = self._listener.server_address[:2]
        return f"http://{f'[{host!s}]' if ':' in str(host) else host!s}:{port}{PATH}"

    def serve(self, text: Callable[[], bytes]) -> None:
        """Answer with what `text` returns, called in a thread of each request."""
        self._listener.text = text
        self._thread = threading.Thread(target=self._listener.serve_forever, name="metrics", daemon=True)
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
            self._listener.shutdown()
            self._thread.join()
        self._listener.server_close()


class _Listener(socketserver.ThreadingTCPServer):
    """The socket; a thread for each request, which do not keep the process from ending."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.text: Callable[[], bytes] = bytes
        super().__init__((host, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = ANSWER_S  # a client that asks nothing is let go
    server: _Listener

    def do_GET(self) -> None:
        """Answer a scrape."""
        if self.path != PATH:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", f"only {PATH} is here\n".encode())
            return
        try:
            text = self.server.text()
        except (TimeoutError, RuntimeError):
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"the event loop does not answer\n")
            return
        self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing of requests."""

    def _answer(self, status: HTTPStatus, content_type: str, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def ask_loop(loop: asyncio.AbstractEventLoop, question: Callable[[], T]) -> tuple[T, float]:
    """Have an event loop, another thread's, answer a question; return the answer and the seconds it took to come to it.

    Raises TimeoutError when it does not come to it in time, RuntimeError when it is closed.
    """
    answer: Future[tuple[T, float]] = Future()
    asked = time.monotonic()

    def reply() -> None:
        delay_s = time.monotonic() - asked
        try:
            answer.set_result((question(), delay_s))
        except Exception as error:  # noqa: BLE001 - it belongs to the thread that asked
            answer.set_exception(error)

    loop.call_soon_threadsafe(reply)
    return answer.result(ANSWER_S)
