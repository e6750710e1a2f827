"""Reads partitions back from Kafka, with a `read_committed` consumer outside any group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import Fatal
from streams.kafka.connection import KafkaConnection
from streams.kafka.fetched import fetched_records
from streams.kafka.fetcher import patch_consumers
from streams.kafka.record_batches import Record
from streams.runtime.ports import TP, Stored

RECORDS_PER_POLL_MAX = 5000
POLL_MS = 200
COMMITTED, UNCOMMITTED = "read_committed", "read_uncommitted"


class KafkaLog:
    """Implements `streams.runtime.ports.OutputLog`; each call has a consumer of its own."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    async def read(self, tp: TP, start: int) -> AsyncIterator[list[Stored]]:
        """Yield the records from `start`, or from the log start offset, to the end at the time of the call."""
        partition = TopicPartition(tp.topic, tp.partition)
        consumer = self._consumer(COMMITTED)
        consumer.assign([partition])
        try:
            await consumer.start()
            beginning = (await consumer.beginning_offsets([partition]))[partition]
            end = (await consumer.end_offsets([partition]))[partition]
            consumer.seek(partition, max(start, beginning))
            while await consumer.position(partition) < end:
                if records := await _fetched(consumer, partition):
                    yield [Stored(r.offset, r.key, r.value, r.headers, r.timestamp, r.original_sizes) for r in records]
        except KafkaError as error:
            raise Fatal(f"{tp.name}: cannot be read back: {error}") from error
        finally:
            await consumer.stop()

    async def bounds(self, tps: Sequence[TP]) -> Mapping[TP, tuple[int, int]]:
        """Return the log start offset and the last stable offset of each partition."""
        async with self._paused_consumer(tps, COMMITTED) as consumer:
            beginnings = await consumer.beginning_offsets(consumer.assignment())
            ends = await consumer.end_offsets(consumer.assignment())
        return {TP(each.topic, each.partition): (beginnings[each], end) for each, end in ends.items()}

    async def hanging_transactions(self, tps: Sequence[TP]) -> list[TP]:
        """Return the partitions that hold records of an open transaction."""
        bounds = await self.bounds(tps)
        async with self._paused_consumer(tps, UNCOMMITTED) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
        return [tp for tp in tps if bounds[tp][1] < ends[TopicPartition(tp.topic, tp.partition)]]

    @asynccontextmanager
    async def _paused_consumer(self, tps: Sequence[TP], isolation: str) -> AsyncIterator[AIOKafkaConsumer]:
        """Give a consumer that fetches nothing; without an assignment it would take a second to find the leaders."""
        consumer = self._consumer(isolation)
        partitions = [TopicPartition(tp.topic, tp.partition) for tp in tps]
        consumer.assign(partitions)
        consumer.pause(*partitions)
        try:
            await consumer.start()
            yield consumer
        except KafkaError as error:
            raise Fatal(f"the bounds of {', '.join(tp.name for tp in tps)} cannot be read: {error}") from error
        finally:
            await consumer.stop()

    def _consumer(self, isolation: str) -> AIOKafkaConsumer:
        patch_consumers()
        return AIOKafkaConsumer(
            **self._connection.client_options(),
            isolation_level=isolation,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=self._connection.message_bytes_max,
        )


async def _fetched(consumer: AIOKafkaConsumer, partition: TopicPartition) -> list[Record]:
    """Return fetched records of the only assigned partition; waits up to `POLL_MS` if there are none yet."""
    fetcher = consumer._fetcher  # noqa: SLF001 - see `streams.kafka.fetched`
    records = fetched_records(fetcher, {partition}, RECORDS_PER_POLL_MAX)
    if not records:
        arrival = fetcher._create_fetch_waiter()  # noqa: SLF001 - the same
        await asyncio.wait([arrival], timeout=POLL_MS / 1000)
        arrival.cancel()
        records = fetched_records(fetcher, {partition}, RECORDS_PER_POLL_MAX)
    return records.get(partition, [])
