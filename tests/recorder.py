"""An HTTP server for tests that keeps every request and answers with the statuses that it is told."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from streams.embedded_kafka.free_ports import HOST


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Recorder:
    """The address, the requests so far, and the statuses of the next answers, the last one for all that follow."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    statuses: list[int] = field(default_factory=lambda: [200])
    answer: bytes = b""
    location: str = ""


@contextmanager
def recorder(
    statuses: Sequence[int] = (200,), answer: bytes = b"", *, context: ssl.SSLContext | None = None
) -> Iterator[Recorder]:
    """Give a server, by TLS with a context, that runs until the block ends."""
    recorded = Recorder(statuses=list(statuses), answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = recorded.statuses.pop(0) if len(recorded.statuses) > 1 else recorded.statuses[0]
            recorded.requests.append(
                Request(self.path, {name.lower(): each for name, each in self.headers.items()}, body)
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(recorded.answer)))
            if recorded.location:
                self.send_header("Location", recorded.location)
            self.end_headers()
            self.wfile.write(recorded.answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        recorded.url = f"{'http' if context is None else 'https'}://{HOST}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield recorded
        finally:
            server.shutdown()
            thread.join()
