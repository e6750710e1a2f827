"""Kafka's ids of the topics and their numbers of partitions: at the start, and again and again while a worker runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.errors import Unavailable, UsageError
from streams.kafka.connection import SILENT_LOGGER, KafkaConnection
from streams.runtime.ports import Layout

KNOWN_AFTER_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
_ASK_TIMEOUT_S: Final = 15.0


class TopicLayout:
    """Asks the brokers for the layout of some topics."""

    def __init__(self, connection: KafkaConnection, names: Sequence[str]) -> None:
        """Take how to connect, and the topics' names."""
        self._admin = AdminClient(connection.librdkafka_options(), logger=SILENT_LOGGER)
        self._names = list(names)

    async def read(self) -> Layout:
        """Return the topics as they are now, those left out that do not exist, with the most partitions of any.

        Raises `Unavailable` where the brokers do not answer.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> Layout:
        described = self._admin.describe_topics(TopicCollection(self._names), request_timeout=_ASK_TIMEOUT_S)
        ids, partitions = {}, 0
        for name, told in described.items():
            try:
                topic = told.result()
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if reason.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise Unavailable(f"{name} cannot be looked at: {reason.str()}") from error
            ids[name] = str(topic.topic_id)
            partitions = max(partitions, len(topic.partitions))
        return Layout(partitions, ids)


async def read_layout(connection: KafkaConnection, names: Sequence[str]) -> Layout:
    """Return the layout of topics that exist; one made a moment ago is not known to every broker yet.

    Raises `UsageError` where the brokers do not answer, or a topic does not exist.
    """
    topics = TopicLayout(connection, names)
    try:
        found = await topics.read()
        for pause_s in KNOWN_AFTER_S:
            if len(found.ids) == len(names):
                break
            await asyncio.sleep(pause_s)
            found = await topics.read()
    except Unavailable as error:
        raise UsageError(f"Kafka at {connection.brokers}: {error}") from error
    if missing := [name for name in names if name not in found.ids]:
        raise UsageError(f"Kafka at {connection.brokers} has no topic {', '.join(missing)}")
    return found
