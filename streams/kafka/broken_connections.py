"""Makes aiokafka report a connection that has just closed as its own `KafkaConnectionError`, after which it retries."""

from __future__ import annotations

from typing import Any

from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


class Connection(AIOKafkaConnection):  # type: ignore[misc] # without types
    """aiokafka's connection under uvloop, which raises RuntimeError where asyncio raises nothing or OSError.

    aiokafka expects no RuntimeError: its task that fetches records would end for good, while heartbeats keep the
    partitions.
    """

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Send a request; return a future of its response. Raises KafkaConnectionError if the connection is closed."""
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error


def patch_connections() -> None:
    """Make connections of aiokafka that are opened from now on report it; may be called repeatedly."""
    conn.AIOKafkaConnection = Connection
