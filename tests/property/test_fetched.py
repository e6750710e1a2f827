"""`fetched_records` returns the records that aiokafka itself would return, whatever the log holds."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.headers import Headers
from schemas.errors import Fatal
from streams.kafka.fetcher import fetched_records
from streams.kafka.record_batches import RecordBatches, record_batch

TP, OTHER = TopicPartition("events", 0), TopicPartition("events", 1)
PRODUCER = 7
CHECKED_FROM = 21
"""Where the checksummed part of a record batch begins, with the attributes."""
IS_CONTROL = 0x20


class FakeFetcher:
    """A fetcher's results, and how often it was notified to continue fetching."""

    def __init__(self, results: dict[TopicPartition, Any], assignment: Assignment) -> None:
        self._records = results
        self._subscriptions = self
        self._wait_consume_future = None
        self._assigned = assignment.tps
        self.notified = 0
        self.error_future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def is_assigned(self, tp: TopicPartition) -> bool:
        return tp in self._assigned

    def _notify(self, _future: object) -> None:
        self.notified += 1


def batch(first: int, count: int, *, transactional: bool, marker: int | None = None, codec: int = 0) -> bytes:
    """Return a record batch that starts at an offset; `marker` makes it a transaction marker (0 abort, 1 commit)."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=int(transactional),
        producer_id=PRODUCER if transactional else -1,
        producer_epoch=0 if transactional else -1,
        base_sequence=0 if transactional else -1,
        batch_size=1 << 20,
    )
    for index in range(count):
        key = struct.pack(">hh", 0, marker) if marker is not None else b"k%d" % (first + index)
        value = None if (first + index) % 5 == 0 else b"v%d" % (first + index)
        headers: list[tuple[str, bytes | None]] = [("h", b"1"), ("none", None)] if index % 3 == 0 else []
        builder.append(index, timestamp=1_000 + first + index, key=key, value=value, headers=headers)
    data = builder.build()
    if marker is not None:
        (attributes,) = struct.unpack_from(">h", data, CHECKED_FROM)
        struct.pack_into(">h", data, CHECKED_FROM, attributes | IS_CONTROL)
    return stored(data, first)


def stored(data: bytearray, first: int) -> bytes:
    """Return a record batch as a broker stores it, with its base offset and a valid checksum."""
    struct.pack_into(">q", data, 0, first)
    struct.pack_into(">I", data, CHECKED_FROM - 4, calc_crc32c(bytes(data[CHECKED_FROM:])))
    return bytes(data)


NAMES = st.binary(max_size=8)
HEADERS = st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=8)), max_size=4)
CODECS = st.integers(0, 4)
"""None, gzip, snappy, lz4, zstd."""


@st.composite
def logs(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, int]], int]:
    """Draw a piece of a log, its aborted transactions, and the offset of the fetch."""
    data, aborted, offset = b"", [], 0
    for kind in draw(st.lists(st.sampled_from(["plain", "committed", "aborted", "gap"]), min_size=1, max_size=8)):
        count = draw(st.integers(1, 6))
        if kind == "gap":
            offset += count
            continue
        data += batch(offset, count, transactional=kind != "plain", codec=draw(CODECS))
        if kind == "aborted":
            aborted.append((PRODUCER, offset))
        offset += count
        if kind != "plain":
            data += batch(offset, 1, transactional=True, marker=int(kind == "committed"))
            offset += 1
    return data, aborted, draw(st.integers(0, 4))


def fetched(
    assignment: Assignment,
    data: bytes,
    aborted: Sequence[tuple[int, int]] = (),
    start: int = 0,
    record_class: Callable[[bytes], object] = RecordBatches,
) -> FetchResult:
    """Return a fetch result as aiokafka makes it, with the partition's position at its start."""
    assignment.state_value(TP).seek(start)
    records = PartitionRecords(TP, record_class(data), list(aborted), start, None, None, True, READ_COMMITTED)
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)


def inside_loop(check: Any) -> None:
    """Run a check inside an event loop, where aiokafka can create futures."""

    async def run() -> None:
        check()

    asyncio.run(run())


def fields_of(record: Any) -> tuple[object, ...]:
    return (
        record.offset,
        record.timestamp,
        record.timestamp_type,
        record.key,
        record.value,
        tuple(record.headers),
    )


@given(logs(), st.integers(1, 12))
def test_the_records_and_the_position_after_them_are_those_of_aiokafka(
    log: tuple[bytes, list[tuple[int, int]], int], records_max: int
) -> None:
    def check() -> None:
        theirs, ours = Assignment([TP]), Assignment([TP])
        expected = fetched(theirs, *log, record_class=MemoryRecords).getall()
        fetcher = FakeFetcher({TP: fetched(ours, *log)}, ours)
        found: list[Any] = []
        while fetcher._records:
            records = fetched_records(fetcher, {TP}, records_max).get(TP, [])
            assert len(records) < records_max + 6, "a batch is started only while records are missing"
            found += records
        assert [fields_of(each) for each in found] == [fields_of(each) for each in expected]
        assert ours.state_value(TP).position == theirs.state_value(TP).position
        assert fetcher.notified == 1

    inside_loop(check)


def read_all(data: bytes) -> list[Any]:
    """Return all records of a piece of a log."""
    found: list[Any] = []

    def check() -> None:
        assignment = Assignment([TP])
        fetcher = FakeFetcher({TP: fetched(assignment, data)}, assignment)
        while fetcher._records:
            found.extend(fetched_records(fetcher, {TP}, 100).get(TP, []))

    inside_loop(check)
    return found


@given(st.none() | st.binary(max_size=8), st.none() | st.binary(max_size=8), HEADERS)
def test_any_header_that_kafka_accepts_survives_a_round_trip(
    key: bytes | None, value: bytes | None, named: list[tuple[bytes, bytes | None]]
) -> None:
    headers: Headers = [(name.decode("utf-8", "surrogateescape"), content) for name, content in named]
    written = record_batch(key, value, headers)._build()
    for name, _ in named:
        assert name in written
    (record,) = read_all(stored(written, 7))
    assert (record.offset, record.key, record.value, list(record.headers)) == (7, key, value, headers)


@pytest.mark.parametrize(("magic", "codec"), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3)])
def test_old_message_formats_are_read(magic: int, codec: int) -> None:
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 20)
    for index in range(3):
        builder.append(index, timestamp=1_000 + index, key=None, value=b"v" * 99)
    found = read_all(bytes(builder.build()))
    assert [(each.offset, each.value, each.headers) for each in found] == [(n, b"v" * 99, ()) for n in range(3)]
    assert {each.timestamp for each in found} == ({-1} if magic == 0 else {1_000, 1_001, 1_002})


def corrupted(at: int, to: bytes, *, codec: int = 0, checked: bool = True) -> bytes:
    """Return a record batch from offset 5 with other bytes at `at`; its checksum is valid if `checked`."""
    data = bytearray(batch(5, 40, transactional=False, codec=codec))
    at %= len(data)
    data[at : at + len(to)] = to
    return stored(data, 5) if checked else bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(corrupted(-1, b"x", checked=False), "its checksum is wrong", id="checksum"),
        pytest.param(corrupted(16, b"\x03"), "its format has the number 3", id="format of the future"),
        pytest.param(corrupted(8, struct.pack(">i", 20)), "32 bytes are not a record batch", id="too short"),
        pytest.param(corrupted(8, struct.pack(">i", -9)), "12 bytes are not a record batch", id="negative length"),
        pytest.param(corrupted(57, struct.pack(">i", 41)), "", id="more records than there are"),
        pytest.param(corrupted(57, struct.pack(">i", 39)), "", id="fewer records than there are"),
        pytest.param(corrupted(61, b"\xff\xff\xff"), "", id="record longer than its batch"),
        pytest.param(corrupted(22, b"\x05"), "codec", id="codec of the future"),
        *(pytest.param(corrupted(61, b"\xff" * 20, codec=codec), "", id=f"codec {codec}") for codec in range(1, 5)),
    ],
)
def test_an_invalid_batch_is_reported_with_its_offset_after_the_records_before_it(data: bytes, message: str) -> None:
    def check() -> None:
        assignment = Assignment([TP])
        fetcher = FakeFetcher({TP: fetched(assignment, batch(0, 5, transactional=False) + data)}, assignment)
        assert [each.offset for each in fetched_records(fetcher, {TP}, 100)[TP]] == [0, 1, 2, 3, 4]
        assert assignment.state_value(TP).position == 5
        for _ in range(2):
            with pytest.raises(Fatal, match=rf"^events-0@5: the record batch that begins there cannot be .*{message}"):
                fetched_records(fetcher, {TP}, 100)

    inside_loop(check)


def test_fetches_of_unwanted_partitions_stay_and_of_unassigned_ones_are_dropped() -> None:
    def check() -> None:
        assignment = Assignment([TP])
        result = fetched(assignment, batch(0, 3, transactional=False))
        fetcher = FakeFetcher({TP: result, OTHER: result}, assignment)
        assert fetched_records(fetcher, set(), 10) == {}
        assert fetcher._records == {TP: result}

    inside_loop(check)


def test_a_fetch_from_before_a_seek_is_dropped() -> None:
    def check() -> None:
        assignment = Assignment([TP])
        fetcher = FakeFetcher({TP: fetched(assignment, batch(0, 3, transactional=False))}, assignment)
        assignment.state_value(TP).seek(2)
        assert fetched_records(fetcher, {TP}, 10) == {}
        assert fetcher._records == {}
        assert fetcher.notified == 1

    inside_loop(check)


def test_a_partition_s_error_is_raised_after_the_records_of_others() -> None:
    def check() -> None:
        assignment = Assignment([TP])
        error = FetchError(error=TopicAuthorizationFailedError("events"), backoff=0)
        fetcher = FakeFetcher({TP: fetched(assignment, batch(0, 3, transactional=False)), OTHER: error}, assignment)
        assert len(fetched_records(fetcher, {TP, OTHER}, 10)[TP]) == 3
        with pytest.raises(TopicAuthorizationFailedError):
            fetched_records(fetcher, {TP, OTHER}, 10)

    inside_loop(check)


def test_an_end_of_fetching_is_reported() -> None:
    def check() -> None:
        assignment = Assignment([TP])
        fetcher = FakeFetcher({TP: fetched(assignment, batch(0, 1, transactional=False))}, assignment)
        fetcher.error_future.set_exception(KafkaError("Unexpected error during data retrieval"))
        with pytest.raises(Fatal, match=r"^aiokafka fetches no more records: .*Unexpected error during data retrieval"):
            fetched_records(fetcher, {TP}, 1)

    inside_loop(check)
