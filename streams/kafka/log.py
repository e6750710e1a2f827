"""Reads partitions back from Kafka, with a `read_committed` consumer outside any group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import Fatal
from streams.kafka.connection import KafkaConnection
from streams.kafka.fetcher import fetched_records, patch_consumers
from streams.kafka.record_batches import Record
from streams.runtime.ports import TP, Stored

RECORDS_PER_POLL_MAX = 5000
POLL_S = 0.2
COMMITTED, UNCOMMITTED = "read_committed", "read_uncommitted"


class KafkaLog:
    """Implements `streams.runtime.ports.OutputLog`; each call has a consumer of its own."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    async def read(self, tp: TP, start: int) -> AsyncIterator[list[Stored]]:
        """Yield the records from `start`, or from the log start offset, to the end at the time of the call."""
        async for records in self._read(tp, start, COMMITTED):
            yield records

    async def read_hanging(self, tp: TP) -> AsyncIterator[list[Stored]]:
        """Yield the records from the last stable offset on, whatever becomes of their transactions."""
        _, start = (await self.bounds([tp]))[tp]
        async for records in self._read(tp, start, UNCOMMITTED):
            yield records

    async def _read(self, tp: TP, start: int, isolation: str) -> AsyncIterator[list[Stored]]:
        async with self._consumer([tp], isolation, f"{tp.name}: cannot be read back") as consumer:
            (partition,) = consumer.assignment()
            beginning = (await consumer.beginning_offsets([partition]))[partition]
            end = (await consumer.end_offsets([partition]))[partition]
            consumer.seek(partition, max(start, beginning))
            consumer.resume(partition)
            fetcher = consumer._fetcher  # noqa: SLF001 - see `streams.kafka.fetcher`
            while await consumer.position(partition) < end:
                fetched = fetched_records(fetcher, {partition}, RECORDS_PER_POLL_MAX)
                if records := fetched.get(partition):
                    yield _stored(records)
                elif not fetched:
                    await _arrival(fetcher)

    async def follow(self, tps: Sequence[TP]) -> AsyncGenerator[tuple[TP, list[Stored]], None]:
        """Yield the records that are committed from now on, for ever; while the brokers are away, none.

        Raises `Fatal` if the brokers cannot be reached at the start, or a log cannot be read.
        """
        async with self._consumer(tps, COMMITTED, "the topics cannot be followed") as consumer:
            for partition, end in (await consumer.end_offsets(consumer.assignment())).items():
                consumer.seek(partition, end)
            consumer.resume(*consumer.assignment())
            fetcher = consumer._fetcher  # noqa: SLF001 - see `streams.kafka.fetcher`
            while True:
                fetched = fetched_records(fetcher, consumer.assignment(), RECORDS_PER_POLL_MAX)
                for partition, records in fetched.items():
                    yield TP(partition.topic, partition.partition), _stored(records)
                if not fetched:
                    await _arrival(fetcher)

    async def bounds(self, tps: Sequence[TP]) -> Mapping[TP, tuple[int, int]]:
        """Return the log start offset and the last stable offset of each partition."""
        return await self._bounds(tps, COMMITTED)

    async def hanging_transactions(self, tps: Sequence[TP]) -> list[TP]:
        """Return the partitions that hold records of an open transaction."""
        committed = await self._bounds(tps, COMMITTED)
        uncommitted = await self._bounds(tps, UNCOMMITTED)
        return [tp for tp in tps if committed[tp][1] < uncommitted[tp][1]]

    async def _bounds(self, tps: Sequence[TP], isolation: str) -> Mapping[TP, tuple[int, int]]:
        failure = f"the bounds of {', '.join(tp.name for tp in tps)} cannot be read"
        async with self._consumer(tps, isolation, failure) as consumer:
            beginnings = await consumer.beginning_offsets(consumer.assignment())
            ends = await consumer.end_offsets(consumer.assignment())
        return {TP(each.topic, each.partition): (beginnings[each], end) for each, end in ends.items()}

    @asynccontextmanager
    async def _consumer(self, tps: Sequence[TP], isolation: str, failure: str) -> AsyncIterator[AIOKafkaConsumer]:
        """Give a consumer, paused so that it fetches nothing yet; an error of Kafka within the block becomes `Fatal`.

        Without an assignment it would take a second to find the leaders.
        """
        patch_consumers()
        consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            isolation_level=isolation,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=self._connection.message_bytes_max,
        )
        partitions = [TopicPartition(tp.topic, tp.partition) for tp in tps]
        consumer.assign(partitions)
        consumer.pause(*partitions)
        try:
            await consumer.start()
            yield consumer
        except KafkaError as error:
            raise Fatal(f"{failure}: {error}") from error
        finally:
            await consumer.stop()


def _stored(records: Iterable[Record]) -> list[Stored]:
    return [Stored(r.offset, r.key, r.value, r.headers, r.timestamp, r.original_sizes) for r in records]


async def _arrival(fetcher: Any) -> None:
    """Wait until something was fetched, or a moment."""
    arrival = fetcher._create_fetch_waiter()  # noqa: SLF001 - see `streams.kafka.fetcher`
    await asyncio.wait([arrival], timeout=POLL_S)
    arrival.cancel()
