"""What the console writes to Kafka: acts, and refused records that are sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from schemas.codec.encoder import OUTPUT_HEADERS, encode_act
from schemas.codec.schema_ids import SchemaIds
from schemas.errors import Unavailable
from schemas.outputs import Act
from streams.kafka.connection import KafkaConnection
from streams.kafka.single_record import send_record
from streams.operations.dead_letters import DeadLetterRecord, send_again


class KafkaActs:
    """Implements `surfaces.console.parts.Acts`: acknowledged by all replicas in sync, or not written."""

    def __init__(self, connection: KafkaConnection, topic: str, schema_ids: SchemaIds) -> None:
        self._connection = connection
        self._topic = topic
        self._schema_ids = schema_ids

    async def write(self, act: Act, subject: str, time: int) -> None:
        """Write an act; raises `Unavailable` unless Kafka has taken it."""
        value, key = encode_act(act, subject, time, self._schema_ids), subject.encode()
        try:
            await send_record(
                self._connection, self._topic, value, key=key, headers=OUTPUT_HEADERS, timestamp_ms=time // 1000
            )
        except Unavailable as error:
            raise Unavailable(f"Nothing was done: {error}") from error


class KafkaRedriver:
    """Implements `surfaces.console.parts.Redriver`."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    def send(self, dead_letters: Sequence[DeadLetterRecord]) -> AsyncIterator[tuple[DeadLetterRecord, str]]:
        """Send records again."""
        return send_again(self._connection, dead_letters)
