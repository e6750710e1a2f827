"""Makes aiokafka's consumers keep record batches, report a damaged log, and return records a batch at a time.

aiokafka creates a dataclass per record in a generator, which takes three times as long as `fetched_records`, where one
Kafka record batch, or a part of a large one, is read at once. The rules are the same: batches of aborted transactions
and control batches are skipped, and checksums are verified (see `PartitionRecords` and `Fetcher.fetched_records` in
aiokafka 0.14, `consumer/fetcher.py`).
"""

# ruff: noqa: SLF001 - aiokafka offers no public way; its version is pinned for this module

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

from aiokafka.consumer import consumer, fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import TopicPartition

from schemas.errors import Fatal
from streams.kafka.broken_connections import patch_connections
from streams.kafka.record_batches import Record, RecordBatches
from streams.kafka.record_parts import Part, read_in_parts

DAMAGED_FOR_S: Final = 5.0
"""How long the broker may report a damaged log before it counts: Kafka treats the error as retriable."""
RETRY_S: Final = 0.5
"""aiokafka would retry at once, a thousand times a second."""
CALL_BYTES_MAX: Final = 2 * 1024 * 1024
"""A call reads no further part after this many bytes, because its records wait in memory to be processed."""


def patch_consumers() -> None:
    """Make consumers of aiokafka that are created from now on fetch this way; may be called repeatedly."""
    patch_connections()
    fetcher.MemoryRecords = RecordBatches
    consumer.Fetcher = ReportingFetcher


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
                reason = "the broker finds its log damaged there (CORRUPT_MESSAGE)"
                self._set_error(tp, Fatal(f"{tp.topic}-{tp.partition}@{offsets[tp]}: {reason}"))
                for waiter in self._fetch_waiters:
                    self._notify(waiter)
        if damaged:
            await asyncio.sleep(RETRY_S)


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


def fetched_records(
    fetcher: Fetcher, tps: Collection[TopicPartition], records_max: int
) -> dict[TopicPartition, list[Record]]:
    """Return fetched records of `tps` that were not returned before, by partition.

    Stops reading after `records_max` records or `CALL_BYTES_MAX` bytes; the next call continues there. Positions
    advance past everything returned or skipped. A partition has an empty list if its position advanced without any
    record: all was skipped, or a record too large to keep is being skipped. The consumer must have been created after
    `patch_consumers`.

    Raises the KafkaError that a fetch ended with, if there is nothing else to return, and `Fatal` for a record batch
    that cannot be read, naming partition and offset, and if aiokafka no longer fetches.
    """
    _refuse_ended(fetcher)
    records_by_tp: dict[TopicPartition, list[Record]] = {}
    records_left, bytes_left = records_max, CALL_BYTES_MAX
    for tp in list(fetcher._records):
        if records_left <= 0 or bytes_left <= 0:
            break
        if tp not in tps:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        fetched = fetcher._records[tp]
        if not isinstance(fetched, FetchResult):
            if records_by_tp:
                break
            _release(fetcher, tp)
            if not _is_outdated(fetched._error, fetcher, tp):
                fetched.check_raise()
            continue
        records, size = _next_records(fetched, tp, records_left, bytes_left)
        if not fetched.has_more():
            _release(fetcher, tp)
        if records is not None:
            records_by_tp[tp] = records
            records_left -= len(records)
            bytes_left -= size
    return records_by_tp


def _refuse_ended(fetcher: Fetcher) -> None:
    """Raise `Fatal` if the task that fetches has ended by an error: aiokafka logs that, and starts no other."""
    routine = fetcher.error_future
    if routine.done() and not routine.cancelled() and (error := routine.exception()) is not None:
        raise Fatal(f"aiokafka fetches no more records: {error.__cause__ or error}") from error


def _is_outdated(error: Exception, fetcher: Fetcher, tp: TopicPartition) -> bool:
    """Return whether the error is about an earlier position: a partition is assigned before its position is set."""
    if isinstance(error, OffsetOutOfRangeError):
        state = fetcher._subscriptions.subscription.assignment.state_value(tp)
        return bool(error.args[0][tp] != state.position)
    return isinstance(error, NoOffsetForPartitionError)


def _release(fetcher: Fetcher, tp: TopicPartition) -> None:
    """Drop the fetch of a partition, so that aiokafka fetches the next one."""
    del fetcher._records[tp]
    fetcher._notify(fetcher._wait_consume_future)


def _next_records(
    fetched: FetchResult, tp: TopicPartition, records_max: int, bytes_max: int
) -> tuple[list[Record] | None, int]:
    """Return the next records, and how many bytes were read for them.

    The list is empty if everything was skipped, and None if the position did not move.
    """
    if not fetched.check_assignment(tp) or not fetched.has_more():
        return None, 0
    partition: Any = fetched._partition_records
    start = partition.next_fetch_offset
    partition._records_iterator = None  # breaks a reference cycle that would keep the fetched bytes alive
    records: list[Record] = []
    size = 0
    while len(records) < records_max and size < bytes_max and partition._records.has_next():
        try:
            part, next_offset = _next_part(partition)
        except Exception as error:  # every codec library has its own errors
            partition._records.step_back()
            if records:  # return what precedes the batch; the next call raises
                break
            place = f"{tp.topic}-{tp.partition}@{partition._records.offset}"
            reason = str(error) or type(error).__name__
            raise Fatal(f"{place}: the record batch that begins there cannot be read: {reason}") from error
        records += part.records
        size += part.size
        partition.next_fetch_offset = next_offset
    fetched._update_position()
    is_moved = size > 0 or partition.next_fetch_offset != start
    if not partition._records.has_next():
        fetched._partition_records = None
    return (records if records or is_moved else None), size


def _next_part(partition: PartitionRecords) -> tuple[Part, int]:
    """Return the next part, empty for a skipped batch, and the offset that follows it."""
    batches: Any = partition._records
    if batches.parts is None:
        batch = batches.next_batch()
        if _is_skipped(partition, batch):
            return Part([], 0), batches.next_offset
        batches.parts = read_in_parts(batch, batches.latest, batches.zstd)
    part: Part = next(batches.parts)
    start = partition.next_fetch_offset
    if part.records and part.records[0].offset < start:  # reading starts within this batch
        part = part._replace(records=[each for each in part.records if each.offset >= start])
    if not part.is_last:
        return part, part.records[-1].offset + 1 if part.records else start
    batches.parts = None
    return part, batches.next_offset


def _is_skipped(partition: PartitionRecords, batch: Any) -> bool:
    """Return whether a batch is a control batch or aborted; raises ValueError if its checksum does not match."""
    if partition._check_crcs and not batch.validate_crc():
        raise ValueError("its checksum is wrong")
    if partition._isolation_level == READ_COMMITTED and batch.producer_id is not None:
        partition._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and partition._contains_abort_marker(batch):
            partition._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in partition._aborted_producers:
            return True
    return bool(batch.is_control_batch)
