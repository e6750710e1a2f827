"""Reads the layout of topics from the brokers: Kafka's topic ids and the number of partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.errors import Unavailable, UsageError
from streams.kafka.connection import SILENT_LOGGER, KafkaConnection
from streams.runtime.ports import Layout

_RETRY_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
_REQUEST_TIMEOUT_S: Final = 15.0


class TopicLayout:
    """Reads the layout of the named topics."""

    def __init__(self, connection: KafkaConnection, names: Sequence[str]) -> None:
        self._admin = AdminClient(connection.librdkafka_options(), logger=SILENT_LOGGER)
        self._names = list(names)

    async def read(self) -> Layout:
        """Return the ids of the topics that exist, and the largest number of partitions among them.

        Raises `Unavailable` if the brokers do not answer.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> Layout:
        described = self._admin.describe_topics(TopicCollection(self._names), request_timeout=_REQUEST_TIMEOUT_S)
        ids, partitions = {}, 0
        for name, future in described.items():
            try:
                topic = future.result()
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if reason.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise Unavailable(f"{name} cannot be described: {reason.str()}") from error
            ids[name] = str(topic.topic_id)
            partitions = max(partitions, len(topic.partitions))
        return Layout(partitions, ids)


async def read_layout(connection: KafkaConnection, names: Sequence[str]) -> Layout:
    """Return the layout of topics that exist. Waits a few seconds, since not every broker knows a new topic at once.

    Raises `UsageError` if the brokers do not answer or a topic does not exist.
    """
    topics = TopicLayout(connection, names)
    try:
        found = await topics.read()
        for pause_s in _RETRY_PAUSES_S:
            if len(found.ids) == len(names):
                break
            await asyncio.sleep(pause_s)
            found = await topics.read()
    except Unavailable as error:
        raise UsageError(f"Kafka at {connection.brokers}: {error}") from error
    if missing := [name for name in names if name not in found.ids]:
        raise UsageError(f"Kafka at {connection.brokers} has no topic {', '.join(missing)}")
    return found
