"""The metrics server speaks HTTP, and no client can exhaust its files or keep others out."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from streams.metrics import server
from streams.metrics.server import CONNECTIONS_MAX, REQUEST_BYTES_MAX, MetricsServer

TEXT = b"sop_steps_total 1.0\n"
SLOW_CLIENTS = 200
DEADLINE_S = 30.0


async def text() -> bytes:
    return TEXT


def raising(error: Exception) -> Callable[[], Awaitable[bytes]]:
    async def silent() -> bytes:
        raise error

    return silent


@contextmanager
def serving(scrape: Callable[[], Awaitable[bytes]] = text) -> Iterator[int]:
    """Yield the port of a running server."""
    with MetricsServer("127.0.0.1:0") as metrics:
        metrics.serve(scrape)
        yield int(metrics.url.rpartition(":")[2].removesuffix("/metrics"))


def request(port: int, method: str, target: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers and the body of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def send(port: int, data: bytes) -> bytes:
    """Send some bytes; return the whole response."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection:
        connection.sendall(data)
        return received(connection)


def received(connection: socket.socket) -> bytes:
    """Return what arrives until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("target", ["/metrics", "/metrics?", "/metrics?name=sop_steps_total&x=%2F", "/metrics?a?b"])
def test_a_scrape_gets_the_text_with_any_query(target: str) -> None:
    with serving() as port:
        status, headers, body = request(port, "GET", target)
    assert (status, body) == (200, TEXT)
    assert headers["Content-Type"].startswith("text/plain; version=")


@pytest.mark.parametrize("target", ["/metrics", "/", "/metrics?x"])
def test_head_has_the_headers_of_get_and_no_body(target: str) -> None:
    with serving() as port:
        status, headers, _ = request(port, "GET", target)
        assert request(port, "HEAD", target) == (status, headers, b"")
        assert send(port, f"HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("target", ["/", "/metrics/", "/metrics/../secrets", "/Metrics", "/x?/metrics", "*"])
def test_other_paths_are_not_found(target: str) -> None:
    with serving() as port:
        assert request(port, "GET", target)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused_with_the_allowed_ones(method: str) -> None:
    with serving() as port:
        status, headers, _ = request(port, method, "/metrics")
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("error", [TimeoutError(), RuntimeError("Event loop is closed")])
def test_a_blocked_or_closed_event_loop_is_status_503(method: str, error: Exception) -> None:
    with serving(raising(error)) as port:
        assert request(port, method, "/metrics")[0] == 503


@pytest.mark.parametrize(("reason", "status"), [("", 200), ("recovering: partitions 3", 503)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_check_is_answered_with_its_reason(method: str, reason: str, status: int) -> None:
    async def check() -> str:
        return reason

    with MetricsServer("127.0.0.1:0") as metrics:
        metrics.serve(text, {"/readyz": check})
        port = int(metrics.url.rpartition(":")[2].removesuffix("/metrics"))
        body = f"{reason or 'ok'}\n".encode() if method == "GET" else b""
        found, headers, got = request(port, method, "/readyz?verbose")
        assert (found, got) == (status, body)
        assert headers["Content-Type"] == "text/plain; charset=utf-8"
        assert request(port, "POST", "/readyz")[0] == 405
        assert request(port, "GET", "/healthz")[0] == 404


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03" + bytes(200) + b"\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n", 400),
        (b"GET /" + b"a" * REQUEST_BYTES_MAX, 431),
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * REQUEST_BYTES_MAX, 431),
        (b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * (REQUEST_BYTES_MAX // 6 + 1), 431),
        (bytes(100), 400),
    ],
)
def test_a_malformed_or_too_long_request_is_refused(request_bytes: bytes, status: int) -> None:
    with serving() as port:
        assert send(port, request_bytes).startswith(f"HTTP/1.1 {status} ".encode())


def test_an_http_1_0_client_is_answered() -> None:
    with serving() as port:
        assert send(port, b"GET /metrics HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n" + TEXT)


@pytest.mark.parametrize("sent", [b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"])
def test_a_client_that_leaves_in_mid_request_leaks_nothing(sent: bytes) -> None:
    with serving() as port:
        files = psutil.Process().num_fds()
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection:
                connection.sendall(sent)
        assert request(port, "GET", "/metrics")[0] == 200
        until(lambda: psutil.Process().num_fds() <= files)


def test_scrapes_are_answered_among_slow_clients() -> None:
    with serving() as port, ExitStack() as slow_clients:
        files, threads = psutil.Process().num_fds(), threading.active_count()
        for number in range(SLOW_CLIENTS):
            slow = slow_clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S))
            slow.sendall(b"GET /metrics HTTP/1.1\r\nX: "[: number % 25])
            if number % 10 == 0:
                assert request(port, "GET", "/metrics")[2] == TEXT
        until(
            lambda: psutil.Process().num_fds() <= files + SLOW_CLIENTS + CONNECTIONS_MAX
        )  # both ends of the connections
        assert threading.active_count() == threads
        assert request(port, "GET", "/metrics")[2] == TEXT


def test_the_time_limit_is_for_the_whole_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTION_S", 0.5)
    with serving() as port, socket.create_connection(("127.0.0.1", port), timeout=0.05) as slow:
        deadline = time.monotonic() + DEADLINE_S
        ended = False
        while not ended:
            assert time.monotonic() < deadline, "still open"
            try:
                slow.sendall(b"a")
                ended = slow.recv(100) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
        assert request(port, "GET", "/metrics")[0] == 200


SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


class BlockedScrape:
    """A scrape that returns only after `go_on` is set."""

    def __init__(self) -> None:
        self.started, self.go_on = threading.Event(), threading.Event()
        self.count = 0

    async def text(self) -> bytes:
        self.count += 1
        self.started.set()
        await asyncio.to_thread(self.go_on.wait, DEADLINE_S)
        return TEXT


def test_simultaneous_requests_share_one_scrape() -> None:
    scrape = BlockedScrape()
    with serving(scrape.text) as port, ExitStack() as clients:
        waiting = [
            clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)) for _ in range(8)
        ]
        for client in waiting:
            client.sendall(SCRAPE)
        assert request(port, "GET", "/")[0] == 404  # it came last, so the others have been read
        scrape.go_on.set()
        assert [received(client)[-len(TEXT) :] for client in waiting] == [TEXT] * len(waiting)
        assert scrape.count == 1
        assert request(port, "GET", "/metrics")[2] == TEXT
        assert scrape.count == 2


def test_clients_that_are_being_answered_keep_their_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 1)
    scrape = BlockedScrape()
    with serving(scrape.text) as port, socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as first:
        first.sendall(SCRAPE)
        assert scrape.started.wait(DEADLINE_S)
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as other:
            assert other.recv(1) == b""
        scrape.go_on.set()
        assert received(first).endswith(TEXT)


def test_the_server_stops_while_clients_are_connected() -> None:
    with ExitStack() as clients:
        with serving() as port:
            left = clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S))
            left.sendall(b"GET")
            assert request(port, "GET", "/metrics")[2] == TEXT
        assert left.recv(1) == b""
