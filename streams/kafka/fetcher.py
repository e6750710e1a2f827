"""aiokafka's fetcher as the consumers here have it: it keeps record batches, and tells what it would retry for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka.consumer import consumer, fetcher
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import TopicPartition

from schemas.errors import Fatal
from streams.kafka.record_batches import RecordBatches

DAMAGED_FOR_S: Final = 5.0
"""For how long a broker may find a log damaged: Kafka has it that another try can find it whole."""
ASK_AGAIN_S: Final = 0.5
"""aiokafka would ask again at once, a thousand times a second."""


class ReportingFetcher(Fetcher):  # type: ignore[misc] # without types
    """aiokafka's fetcher; where a broker finds its log damaged and goes on to, that is a result to be taken, `Fatal`.

    aiokafka would ask again and again, and nobody would know.
    """

    def __init__(self, client: Any, *arguments: Any, **options: Any) -> None:
        self._damaged_since: dict[TopicPartition, float] = {}
        super().__init__(_Heard(client, self._hear), *arguments, **options)

    async def _hear(self, request: Any, response: Any) -> None:
        asked = {TopicPartition(topic, each[0]): each[1] for topic, partitions in request.topics for each in partitions}
        damaged = [
            TopicPartition(topic, partition)
            for topic, partitions in response.topics
            for partition, error, *_ in partitions
            if error == CorruptRecordException.errno
        ]
        for tp in asked.keys() - damaged:
            self._damaged_since.pop(tp, None)
        for tp in damaged:
            since = self._damaged_since.setdefault(tp, time.monotonic())
            if time.monotonic() - since >= DAMAGED_FOR_S and tp not in self._records:
                self._tell(tp, asked[tp])
        if damaged:
            await asyncio.sleep(ASK_AGAIN_S)

    def _tell(self, tp: TopicPartition, offset: int) -> None:
        told = "the broker finds its log damaged there (CORRUPT_MESSAGE)"
        self._set_error(tp, Fatal(f"{tp.topic}-{tp.partition}@{offset}: {told}"))
        for waiter in self._fetch_waiters:
            self._notify(waiter)


class _Heard:
    """A client whose answers to fetches somebody else hears first."""

    def __init__(self, client: Any, apply_answer: Callable[[Any, Any], Awaitable[None]]) -> None:
        self._client = client
        self._hear = apply_answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any) -> Any:
        response = await self._client.send(node_id, request)
        if isinstance(request, FetchRequest):
            await self._hear(request, response)
        return response


def patch_consumers() -> None:
    """Have consumers of aiokafka that are made from now on fetch in this way; harmless when done twice."""
    fetcher.MemoryRecords = RecordBatches
    consumer.Fetcher = ReportingFetcher
