"""Takes what an aiokafka client has fetched, a Kafka record batch at a time, and of one that holds much a part.

aiokafka makes one dataclass of each record, by a generator, which takes three times as long. The rules are the same:
batches of aborted transactions and control batches are passed over, checksums checked (see aiokafka 0.14's
`consumer/fetcher.py`, `PartitionRecords` and `Fetcher.fetched_records`).
"""

# ruff: noqa: SLF001 - aiokafka offers no other way; its version is pinned for it

from collections.abc import Collection
from typing import Any, Final

from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, FetchResult, PartitionRecords
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from schemas.errors import Fatal
from streams.kafka.record_batches import Record
from streams.kafka.record_parts import Part, read_in_parts

TAKEN_BYTES_MAX: Final = 2 * 1024 * 1024
"""So much is taken at once, but for a last part: what was taken waits in memory for those who work on it."""


def fetched_records(
    fetcher: Fetcher, tps: Collection[TopicPartition], records_max: int
) -> dict[TopicPartition, list[Record]]:
    """Return what was fetched of `tps` and not taken yet; no further part of it once there are `records_max` records.

    Nor is there a further part after `TAKEN_BYTES_MAX`: the next call goes on with it. The positions move on behind
    what is returned, and behind what is passed over: where there is nothing else, or a large record is being passed
    over, a partition has no records. The consumer has to be one that keeps record batches. Raises the KafkaError that
    fetching a partition met with, if there is nothing else to return, and Fatal, naming the place, for a record batch
    that nobody can read.
    """
    taken: dict[TopicPartition, list[Record]] = {}
    left, bytes_left = records_max, TAKEN_BYTES_MAX
    for tp in list(fetcher._records):
        if left <= 0 or bytes_left <= 0:
            break
        if tp not in tps:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        fetched = fetcher._records[tp]
        if not isinstance(fetched, FetchResult):
            if taken:
                break
            _let_fetch_on(fetcher, tp)
            if not _is_overtaken(fetched._error, fetcher, tp):
                fetched.check_raise()
            continue
        records, size = _take(fetched, tp, left, bytes_left)
        if not fetched.has_more():
            _let_fetch_on(fetcher, tp)
        if records is not None:
            taken[tp] = records
            left -= len(records)
            bytes_left -= size
    return taken


def _is_overtaken(error: Exception, fetcher: Fetcher, tp: TopicPartition) -> bool:
    """Tell whether a partition had no position then, or another one: it is assigned before its position is set."""
    if isinstance(error, OffsetOutOfRangeError):
        state = fetcher._subscriptions.subscription.assignment.state_value(tp)
        return bool(error.args[0][tp] != state.position)
    return isinstance(error, NoOffsetForPartitionError)


def _let_fetch_on(fetcher: Fetcher, tp: TopicPartition) -> None:
    del fetcher._records[tp]
    fetcher._notify(fetcher._wait_consume_future)


def _take(
    fetched: FetchResult, tp: TopicPartition, records_max: int, bytes_max: int
) -> tuple[list[Record] | None, int]:
    """Return the next records and how many bytes were read for them.

    The records are none where all was passed over, and None where nothing was done.
    """
    if not fetched.check_assignment(tp) or not fetched.has_more():
        return None, 0
    partition: Any = fetched._partition_records
    start = partition.next_fetch_offset
    partition._records_iterator = None  # it and its owner would hold each other, and what was fetched, for long
    taken: list[Record] = []
    size = 0
    while len(taken) < records_max and size < bytes_max and partition._records.has_next():
        try:
            part, next_offset = _next_part(partition)
        except Exception as error:  # each codec's library has errors of its own
            partition._records.step_back()
            if taken:  # what lies before it is not held up; the next call tells
                break
            place = f"{tp.topic}-{tp.partition}@{partition._records.offset}"
            told = str(error) or type(error).__name__
            raise Fatal(f"{place}: the record batch that begins there cannot be read: {told}") from error
        taken += part.records
        size += part.size
        partition.next_fetch_offset = next_offset
    fetched._update_position()
    is_moved = size > 0 or partition.next_fetch_offset != start
    if not partition._records.has_next():
        fetched._partition_records = None
    return (taken if taken or is_moved else None), size


def _next_part(partition: PartitionRecords) -> tuple[Part, int]:
    """Return the next part of what was fetched, empty where a batch is passed over, and the offset behind it."""
    batches: Any = partition._records
    if batches.parts is None:
        batch = batches.next_batch()
        if _is_passed_over(partition, batch):
            return Part([], 0), batches.next_offset
        batches.parts = read_in_parts(batch, batches.latest, batches.zstd)
    part: Part = next(batches.parts)
    start = partition.next_fetch_offset
    if part.records and part.records[0].offset < start:  # reading begins within this batch
        part = part._replace(records=[each for each in part.records if each.offset >= start])
    if not part.is_last:
        return part, part.records[-1].offset + 1 if part.records else start
    batches.parts = None
    return part, batches.next_offset


def _is_passed_over(partition: PartitionRecords, batch: Any) -> bool:
    """Tell whether nobody is to see the records of a batch; raises ValueError for one that is not as it was written."""
    if partition._check_crcs and not batch.validate_crc():
        raise ValueError("its checksum is wrong")
    if partition._isolation_level == READ_COMMITTED and batch.producer_id is not None:
        partition._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and partition._contains_abort_marker(batch):
            partition._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in partition._aborted_producers:
            return True
    return bool(batch.is_control_batch)
