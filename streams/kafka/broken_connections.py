"""Makes aiokafka report a connection that has just closed as its own `KafkaConnectionError`, after which it retries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


class Connection(AIOKafkaConnection):  # type: ignore[misc] # without types
    """aiokafka's connection under uvloop, which raises RuntimeError where asyncio raises nothing or OSError.

    aiokafka expects no RuntimeError: its task that fetches records would end for good, while heartbeats keep the
    partitions. Requests and SASL tokens are all that it writes.
    """

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request; return a future of its response. Raises KafkaConnectionError if the connection is closed."""
        with self._closing_if_broken():
            return super().send(request, expect_response)

    def _send_sasl_token(self, payload: bytes, expect_response: bool = True) -> Any:
        with self._closing_if_broken():
            return super()._send_sasl_token(payload, expect_response)

    @contextmanager
    def _closing_if_broken(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error


def patch_connections() -> None:
    """Make connections of aiokafka that are opened from now on report it; may be called repeatedly."""
    conn.AIOKafkaConnection = Connection
