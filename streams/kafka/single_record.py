"""Writes a record now and then to a topic that no worker writes to, and makes that topic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.errors import Unavailable, UsageError
from schemas.topics import Topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.topic_setup import TopicTargets
from streams.kafka.topics import admin_client, create_topic, new_topics, partition_counts
from streams.runtime.ports import Place

REQUEST_TIMEOUT_MS: Final = 5_000


async def send_record(
    connection: KafkaConnection,
    topic: str,
    value: bytes,
    *,
    key: bytes,
    headers: Sequence[tuple[str, bytes]],
    timestamp_ms: int,
    partition: int | None = None,
) -> Place:
    """Write a record and wait until all replicas in sync have it, by default in the partition of its key.

    Returns where it is. Raises `Unavailable` if it may not be written.

    Such a record is rare, so each has a producer of its own, which has nothing to keep alive or to mend.
    """
    options = {**connection.client_options(), "request_timeout_ms": REQUEST_TIMEOUT_MS}
    bytes_max = connection.message_bytes_max
    producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True, max_request_size=bytes_max)
    try:
        await producer.start()
        written = await producer.send_and_wait(topic, value, key, partition, timestamp_ms, list(headers))
        return Place(topic, written.partition, written.offset)
    except KafkaError as error:
        raise Unavailable(f"Kafka at {connection.brokers} does not take a record of {topic} ({error!r})") from error
    finally:
        await producer.stop()


async def prepare_topic(connection: KafkaConnection, topics: Topics, targets: TopicTargets, name: str) -> str:
    """Create one of the topics if it is missing; return why it cannot be created, empty if it is there."""
    try:
        existing = await partition_counts(connection, [], optional=topics.known)
        new = new_topics(topics, targets, existing).get(name)
        if new is None:
            return ""
        async with admin_client(connection) as admin:
            return await create_topic(admin, new) or ""
    except UsageError as error:
        return str(error)
