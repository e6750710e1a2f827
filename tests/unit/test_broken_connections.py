"""A connection that closes while a request is written is reported as aiokafka's own error, under uvloop too."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
import uvloop
from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest

from streams.embedded_kafka.free_ports import HOST
from streams.kafka.broken_connections import Connection, patch_connections

FETCH = FetchRequest(500, 1, 1024, 0, [("jobs", [(0, 7, 1024)])])


class Unversioned(AIOKafkaConnection):  # type: ignore[misc] # without types
    """A connection that does not ask its server for versions."""

    async def _do_version_lookup(self) -> None:
        self._versions = {FETCH.API_KEY: (4, 4)}


class UnversionedOurs(Connection, Unversioned):
    """The same with our errors."""


async def send_over_closed(connection_class: type[AIOKafkaConnection]) -> None:
    """Send a request over a connection whose transport has just closed, which its reader has not noticed."""
    gone = asyncio.Event()

    async def wait_for_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(wait_for_end, HOST, 0) as server:
        connection = connection_class(*server.sockets[0].getsockname())
        await connection.connect()
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        try:
            connection.send(FETCH)
        finally:
            connection.close()
            await gone.wait()


def run_on_uvloop(connection_class: type[AIOKafkaConnection]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(send_over_closed(connection_class))


def test_a_request_over_a_closed_transport_ends_as_a_connection_error() -> None:
    with pytest.raises(RuntimeError, match="closed"):
        run_on_uvloop(Unversioned)
    with pytest.raises(KafkaConnectionError, match=rf"Connection at {HOST}:\d+ broken: .* closed"):
        run_on_uvloop(UnversionedOurs)


def test_the_clients_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conn, "AIOKafkaConnection", SimpleNamespace())
    patch_connections()
    assert conn.AIOKafkaConnection is Connection
