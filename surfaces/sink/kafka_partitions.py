"""Reads partitions of Kafka for a sink: committed records only, outside any consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError as AIOKafkaError
from aiokafka.errors import OffsetOutOfRangeError, TopicAuthorizationFailedError
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from schemas.errors import Unavailable, UsageError
from streams.kafka.connection import SILENT_LOGGER, KafkaConnection
from streams.kafka.fetcher import fetched_records, patch_consumers
from streams.kafka.topics import describe_topics
from streams.runtime.ports import TP
from surfaces.sink.ports import Polled

REQUEST_TIMEOUT_S: Final = 5.0
GATHER_S: Final = 0.1
"""How long records gather where all were read: each write of a few costs as much as one of many."""


class KafkaPartitions:
    """Implements `surfaces.sink.ports.Partitions` for some topics, as a context manager.

    A topic may be created later. Raises `UsageError` at the start if the brokers do not answer.
    """

    def __init__(self, connection: KafkaConnection, topics: Sequence[str]) -> None:
        self._connection = connection
        self._topics = list(topics)
        self._gathers_until = 0.0
        self._thread = ThreadPoolExecutor(1)  # look-ups of hosts may fill the common one
        self._admin = AdminClient(connection.librdkafka_options(), logger=SILENT_LOGGER)

    async def __aenter__(self) -> Self:
        patch_consumers()
        self._consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=self._connection.message_bytes_max,
        )
        try:
            await self._consumer.start()
        except AIOKafkaError as error:
            await self.__aexit__()
            raise UsageError(self._connection.describe_error(error)) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        self._thread.shutdown(wait=False)

    async def topic_ids(self) -> Mapping[TP, str]:
        """Return all partitions of the topics that exist, with the id of their topic."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._topic_ids)

    def _topic_ids(self) -> Mapping[TP, str]:
        found: dict[TP, str] = {}
        for name, topic in describe_topics(self._admin, self._topics, REQUEST_TIMEOUT_S).items():
            if isinstance(topic, KafkaError):
                if topic.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise self._forbidden(f"Describe on topic {name}")
                raise Unavailable(f"{self._connection.brokers} does not answer")
            found |= {TP(name, each.id): str(topic.topic_id) for each in topic.partitions}
        return found

    def _forbidden(self, right: str) -> UsageError:
        return UsageError(f"Kafka at {self._connection.brokers}: this user has no right to {right}")

    async def bounds(self, tp: TP) -> tuple[int, int]:
        """Return the log start offset and the end offset of a partition."""
        partition = TopicPartition(*tp)
        try:
            first = (await self._consumer.beginning_offsets([partition]))[partition]
            return first, (await self._consumer.end_offsets([partition]))[partition]
        except AIOKafkaError as error:
            raise Unavailable(f"{self._connection.brokers}: {tp.name} has no bounds: {error!r}") from error

    async def start(self, offsets: Mapping[TP, int]) -> None:
        """Read exactly these partitions, from these offsets on."""
        self._consumer.assign([TopicPartition(*tp) for tp in offsets])
        for tp, offset in offsets.items():
            self._consumer.seek(TopicPartition(*tp), offset)

    async def poll(self, records_max: int, wait_s: float) -> Polled:
        """Return about so many records, waiting for some if there are none."""
        fetcher = self._consumer._fetcher  # noqa: SLF001 - see `streams.kafka.fetcher`
        partitions = self._consumer.assignment()
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._gathers_until - loop.time())
        try:
            fetched = fetched_records(fetcher, partitions, records_max)
            if not fetched:
                arrival = fetcher._create_fetch_waiter()  # noqa: SLF001 - the same
                await asyncio.wait([arrival], timeout=wait_s)
                arrival.cancel()
                fetched = fetched_records(fetcher, partitions, records_max)
        except OffsetOutOfRangeError as error:
            return Polled({}, out_of_range=frozenset(TP(*each) for each in error.args[0]))
        except TopicAuthorizationFailedError as error:
            raise self._forbidden(f"Read on topic {error.args[0]}") from error
        except AIOKafkaError as error:
            raise Unavailable(f"{self._connection.brokers}: nothing can be read: {error!r}") from error
        records = {TP(*each): found for each, found in fetched.items() if found}
        ended = frozenset(TP(*each) for each in partitions if self._has_ended(each))
        if records and records.keys() <= ended:
            self._gathers_until = loop.time() + GATHER_S
        return Polled(records, ended)

    def _has_ended(self, partition: TopicPartition) -> bool:
        """Return whether a partition has been read to where it ended when it was fetched last."""
        state = self._consumer._subscription.subscription.assignment.state_value(partition)  # noqa: SLF001 - the same
        return state.lso is not None and state.has_valid_position and state.position >= state.lso
