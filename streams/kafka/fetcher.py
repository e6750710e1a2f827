"""Makes aiokafka's consumers keep record batches, and report a damaged log instead of retrying forever."""

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
"""How long the broker may report a damaged log before it counts: Kafka treats the error as retriable."""
RETRY_S: Final = 0.5
"""aiokafka would retry at once, a thousand times a second."""


class ReportingFetcher(Fetcher):  # type: ignore[misc] # without types
    """aiokafka's fetcher, but a partition whose log stays damaged yields `Fatal` instead of a silent endless retry."""

    def __init__(self, client: Any, *arguments: Any, **options: Any) -> None:
        self._damaged_since: dict[TopicPartition, float] = {}
        super().__init__(_ObservedClient(client, self._observe), *arguments, **options)

    async def _observe(self, request: Any, response: Any) -> None:
        offsets = {TopicPartition(topic, each[0]): each[1] for topic, parts in request.topics for each in parts}
        damaged = [
            TopicPartition(topic, partition)
            for topic, partitions in response.topics
            for partition, error, *_ in partitions
            if error == CorruptRecordException.errno
        ]
        for tp in offsets.keys() - damaged:
            self._damaged_since.pop(tp, None)
        for tp in damaged:
            since = self._damaged_since.setdefault(tp, time.monotonic())
            if time.monotonic() - since >= DAMAGED_FOR_S and tp not in self._records:
                self._report(tp, offsets[tp])
        if damaged:
            await asyncio.sleep(RETRY_S)

    def _report(self, tp: TopicPartition, offset: int) -> None:
        reason = "the broker finds its log damaged there (CORRUPT_MESSAGE)"
        self._set_error(tp, Fatal(f"{tp.topic}-{tp.partition}@{offset}: {reason}"))
        for waiter in self._fetch_waiters:
            self._notify(waiter)


class _ObservedClient:
    """A client that passes fetch requests and their responses to `observe` before it returns the response."""

    def __init__(self, client: Any, observe: Callable[[Any, Any], Awaitable[None]]) -> None:
        self._client = client
        self._observe = observe

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any) -> Any:
        response = await self._client.send(node_id, request)
        if isinstance(request, FetchRequest):
            await self._observe(request, response)
        return response


def patch_consumers() -> None:
    """Make consumers of aiokafka that are created from now on fetch this way; may be called repeatedly."""
    fetcher.MemoryRecords = RecordBatches
    consumer.Fetcher = ReportingFetcher
