"""A connection that closes while a request is written is reported as aiokafka's own error, under uvloop too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest

from streams.embedded_kafka.free_ports import HOST
from streams.kafka.broken_connections import Connection
from streams.kafka.fetcher import patch_consumers

FETCH = FetchRequest(500, 1, 1024, 0, [("jobs", [(0, 7, 1024)])])
Write = Callable[[Any], Any]
WRITES: dict[str, Write] = {
    "request": lambda connection: connection.send(FETCH),
    "sasl_token": lambda connection: connection._send_sasl_token(b"token"),
}


class Unversioned(AIOKafkaConnection):  # type: ignore[misc] # without types
    """A connection that does not ask its server for versions."""

    async def _do_version_lookup(self) -> None:
        self._versions = {FETCH.API_KEY: (4, 4)}


class UnversionedOurs(Connection, Unversioned):
    """The same with our errors."""


async def write_to_closed(connection_class: type[AIOKafkaConnection], write: Write) -> None:
    """Write to a connection whose transport has just closed, which its reader has not noticed."""
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
            write(connection)
        finally:
            connection.close()
            await gone.wait()


def run_on_uvloop(connection_class: type[AIOKafkaConnection], write: Write) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_to_closed(connection_class, write))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_is_written_to_a_closed_transport_ends_as_a_connection_error(write: Write) -> None:
    with pytest.raises(RuntimeError, match="closed"):
        run_on_uvloop(Unversioned, write)
    with pytest.raises(KafkaConnectionError, match=rf"Connection at {HOST}:\d+ broken: .* closed"):
        run_on_uvloop(UnversionedOurs, write)


def test_consumers_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conn, "AIOKafkaConnection", AIOKafkaConnection)
    patch_consumers()
    assert conn.AIOKafkaConnection is Connection
