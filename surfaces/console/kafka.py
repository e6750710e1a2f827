"""What the console writes to Kafka: acts, and refused records that are sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.codec.encoder import OUTPUT_HEADERS, encode_act
from schemas.codec.schema_ids import SchemaIds
from schemas.errors import Unavailable, UsageError
from schemas.outputs import Act
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.topic_setup import TopicTargets
from streams.kafka.topics import admin_client, create_topic, new_topics, partition_counts
from streams.operations.dead_letters import DeadLetterRecord, send_again

REQUEST_TIMEOUT_MS: Final = 5_000


class KafkaActs:
    """Implements `surfaces.console.parts.Acts`: acknowledged by all replicas in sync, or not written."""

    def __init__(self, connection: KafkaConnection, topic: str, schema_ids: SchemaIds) -> None:
        self._connection = connection
        self._topic = topic
        self._schema_ids = schema_ids

    async def write(self, act: Act, subject: str, time: int) -> None:
        """Write an act; raises `Unavailable` unless Kafka has taken it.

        An act is rare, so each has a producer of its own, which has nothing to keep alive or to mend.
        """
        options = {**self._connection.client_options(), "request_timeout_ms": REQUEST_TIMEOUT_MS}
        producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
        value = encode_act(act, subject, time, self._schema_ids)
        try:
            await producer.start()
            await producer.send_and_wait(
                self._topic, value, key=subject.encode(), headers=list(OUTPUT_HEADERS), timestamp_ms=time // 1000
            )
        except KafkaError as error:
            brokers = self._connection.brokers
            raise Unavailable(f"Nothing was done: Kafka at {brokers} does not take its record ({error!r})") from error
        finally:
            await producer.stop()


class KafkaRedriver:
    """Implements `surfaces.console.parts.Redriver`."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    def send(self, dead_letters: Sequence[DeadLetterRecord]) -> AsyncIterator[tuple[DeadLetterRecord, str]]:
        """Send records again."""
        return send_again(self._connection, dead_letters)


async def prepare_acts(connection: KafkaConnection, topics: Topics, targets: TopicTargets) -> str:
    """Create the topic of acts if it is missing; return why it cannot be created, empty if it is there."""
    try:
        existing = await partition_counts(connection, [], optional=topics.known)
        new = new_topics(topics, targets, existing).get(topics.acts)
        if new is None:
            return ""
        async with admin_client(connection) as admin:
            return await create_topic(admin, new) or ""
    except UsageError as error:
        return str(error)
