"""Recorded events read from the input topics of a running cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import Fatal, UsageError
from schemas.topics import Topics
from streams.kafka_connection import KafkaConnection
from streams.kafka_log import KafkaLog
from streams.ports import TP
from streams.recorded import Recorded


def read_topics(address: str) -> Iterator[Recorded]:
    """Yield all that the input topics at `HOST:PORT[,HOST:PORT…][/PREFIX]` hold now, by topic, partition and offset.

    Raises `UsageError` when the cluster cannot be reached or has no such topics.
    """
    brokers, _, prefix = address.partition("/")
    try:
        yield from asyncio.run(_read(KafkaConnection(brokers), Topics(prefix)))
    except (KafkaError, Fatal) as error:
        raise UsageError(f"kafka://{address}: {error}") from error


async def _read(connection: KafkaConnection, topics: Topics) -> list[Recorded]:
    log = KafkaLog(connection)
    recorded: list[Recorded] = []
    for tp in await _partitions(connection, topics):
        async for records in log.read(tp, 0):
            recorded += [
                Recorded(tp.topic, tp.partition, each.offset, each.value, each.key, each.headers, each.timestamp)
                for each in records
            ]
    return recorded


async def _partitions(connection: KafkaConnection, topics: Topics) -> list[TP]:
    consumer = AIOKafkaConsumer(**connection.client_options())
    try:
        await consumer.start()
        existing = await consumer.topics()
        missing = [name for name in topics.inputs if name not in existing]
        if missing:
            raise UsageError(f"Kafka at {connection.brokers} has no topic {', '.join(missing)}")
        consumer.assign([TopicPartition(name, 0) for name in topics.inputs])
        return [TP(name, number) for name in topics.inputs for number in sorted(consumer.partitions_for_topic(name) or ())]
    finally:
        await consumer.stop()
