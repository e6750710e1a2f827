"""A TCP proxy whose connections can be closed, delayed, paused and reset."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from streams.embedded_kafka.free_ports import HOST, free_port

T = TypeVar("T")

PAUSE_POLL_S = 0.01
CHUNK_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)  # no lingering: closing sends a reset


class Proxy:
    """Passes bytes between its own port and a server's, in a thread.

    `target_port` may also be set before the first connection. The attributes apply to all connections at once.
    """

    def __init__(self, target_port: int = 0) -> None:
        self.target_port = target_port
        self.delay_s = 0.0
        """How long every chunk of data is delayed."""
        self.paused = False
        """Whether data waits, while connections stay open."""
        self.refuses_connections = False
        """Whether new connections are closed at once."""
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._connect, HOST, self.port))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Close all connections and refuse new ones, until `restore`."""
        self.refuses_connections = True
        self._call(self._drop(reset=False))

    def restore(self) -> None:
        """Accept connections again, and pass data without delay."""
        self.refuses_connections = self.paused = False
        self.delay_s = 0.0

    def reset(self) -> None:
        """Reset all connections; new ones are accepted."""
        self._call(self._drop(reset=True))

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10.0)

    async def _close(self) -> None:
        self._server.close()
        await self._drop(reset=True)
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _drop(self, *, reset: bool) -> None:
        for writer in list(self._writers):
            if reset:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses_connections:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, server_writer}
        for source, sink in ((reader, server_writer), (server_reader, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(CHUNK_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                while self.paused:  # noqa: ASYNC110 - set from another thread
                    await asyncio.sleep(PAUSE_POLL_S)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass  # the peer is gone, so this side is closed too
        finally:
            self._writers.discard(sink)
            sink.close()
