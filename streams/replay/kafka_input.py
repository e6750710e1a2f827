"""Recorded events read from the input topics of a running cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from schemas.errors import Fatal, UsageError
from schemas.topics import Topics
from streams.config.settings import Settings
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.kafka.log import KafkaLog
from streams.kafka.topics import partition_counts
from streams.replay.records import InputRecord
from streams.runtime.ports import TP


def read_topics(address: str, settings: Settings) -> Iterator[InputRecord]:
    """Yield all that the input topics at `HOST:PORT[,HOST:PORT…][/PREFIX]` hold now, by topic, partition and offset.

    The settings say how brokers are spoken to.
    Raises `UsageError` when the cluster cannot be reached or has no such topics.
    """
    brokers, _, prefix = address.partition("/")
    try:
        yield from asyncio.run(_read(connect_kafka(replace(settings, brokers=brokers)), Topics(prefix)))
    except UsageError:
        raise
    except Fatal as error:
        raise UsageError(f"kafka://{address}: {error}") from error


async def _read(connection: KafkaConnection, topics: Topics) -> list[InputRecord]:
    log = KafkaLog(connection)
    found: list[InputRecord] = []
    for tp in await _partitions(connection, topics):
        async for records in log.read(tp, 0):
            found += [
                InputRecord(
                    tp.topic, tp.partition, each.offset, each.value, each.key, each.headers, each.original_sizes
                )
                for each in records
            ]
    return found


async def _partitions(connection: KafkaConnection, topics: Topics) -> list[TP]:
    counts = await partition_counts(connection, topics.inputs)
    missing = [name for name in topics.inputs if name not in counts]
    if missing:
        raise UsageError(f"Kafka at {connection.brokers} has no topic {', '.join(missing)}")
    return [TP(name, number) for name in topics.inputs for number in range(counts[name])]
