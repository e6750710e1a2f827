"""Recorded events from the input topics of a running Kafka cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from agents.sops import catalogue
from schemas.errors import Fatal, UsageError
from schemas.topics import Topics
from streams.config.settings import Settings
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.kafka.log import KafkaLog
from streams.kafka.topics import partition_counts
from streams.replay.input_record import InputRecord
from streams.runtime.ports import TP


def read_topics(address: str, settings: Settings) -> Iterator[InputRecord]:
    """Yield all records now in the input topics at `HOST:PORT[,HOST:PORT…][/PREFIX]`, by topic, partition and offset.

    The settings supply TLS and SASL options. Raises `UsageError` if the cluster does not answer or lacks the topics.
    """
    try:
        yield from asyncio.run(_read(*kafka_source(address, settings)))
    except UsageError:
        raise
    except Fatal as error:
        raise UsageError(f"kafka://{address}: {error}") from error


def kafka_source(address: str, settings: Settings) -> tuple[KafkaConnection, Topics]:
    """Return the connection and topics of `HOST:PORT[,HOST:PORT…][/PREFIX]`; raises `UsageError` if unusable."""
    brokers, _, prefix = address.partition("/")
    return connect_kafka(replace(settings, brokers=brokers)), catalogue.topics(prefix)


async def _read(connection: KafkaConnection, topics: Topics) -> list[InputRecord]:
    counts = await partition_counts(connection, topics.inputs)
    log = KafkaLog(connection)
    return [
        InputRecord(name, number, each.offset, each.value, each.key, each.headers, each.original_sizes)
        for name in topics.inputs
        for number in range(counts[name])
        async for records in log.read(TP(name, number), 0)
        for each in records
    ]
