"""Reading a batch in parts yields the records that aiokafka reads at once, with large ones truncated."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
import zstandard
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.limits import TRUNCATED_BYTES, RecordSizes
from schemas.errors import Fatal
from streams.kafka import record_parts
from streams.kafka.fetcher import fetched_records
from streams.kafka.record_batches import Record
from streams.kafka.record_parts import COUNT_AT, Part, read_in_parts
from tests.property.test_fetched import CODECS, TP, FakeFetcher, fetched, fields_of, inside_loop, stored

MIB = 1024 * 1024
FIRST = 70
"""The first offset of every batch here."""
IS_APPEND_TIME = 0x08
BYTES = st.none() | st.binary(max_size=40) | st.integers(0, 400).map(bytes)
RECORDS = st.lists(
    st.tuples(BYTES, BYTES, st.lists(st.tuples(st.text(max_size=5), BYTES), max_size=4)), min_size=1, max_size=12
)


def batch(records: list[tuple[Any, Any, Any]], codec: int = 0, *, is_append_time: bool = False) -> bytes:
    """Return a record batch of (key, value, headers)."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for at, (key, value, headers) in enumerate(records):
        builder.append(at, timestamp=1_000 - at, key=key, value=value, headers=headers)
    data = builder.build()
    if is_append_time:
        data[22] |= IS_APPEND_TIME
    return stored(data, FIRST)


def read_parts(data: bytes) -> list[Part]:
    raw = memoryview(data)
    return list(read_in_parts(DefaultRecordBatch(raw), raw, zstandard.ZstdDecompressor()))


def read_by_calls(data: bytes, start: int = 0, records_max: int = 1_000) -> Iterator[tuple[list[Record], int]]:
    """Yield the records that each call returns of a fetched batch, and the position after it."""
    assignment = Assignment([TP])
    fetcher = FakeFetcher({TP: fetched(assignment, data, start=start)}, assignment)
    while fetcher._records:
        yield fetched_records(fetcher, {TP}, records_max)[TP], assignment.state_value(TP).position


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_parts, "PART_BYTES", 64)
    monkeypatch.setattr(record_parts, "RECORD_BYTES_MAX", 200)
    monkeypatch.setattr(record_parts, "TRUNCATED_BYTES", 10)


@pytest.mark.usefixtures("small")
@given(RECORDS, CODECS, st.booleans())
def test_the_records_are_those_of_aiokafka_and_large_ones_are_truncated(
    records: list[tuple[Any, Any, Any]], codec: int, is_append_time: bool
) -> None:
    data = batch(records, codec, is_append_time=is_append_time)
    parts = read_parts(data)
    found = [each for part in parts for each in part.records]
    expected = list(DefaultRecordBatch(data))
    assert [part.is_last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        if ours.original_sizes is None:
            assert fields_of(ours) == fields_of(theirs)
            continue
        assert ours.original_sizes[:2] == (len(theirs.value or b""), len(theirs.key or b""))
        assert sum(ours.original_sizes) > 64
        place = (theirs.offset, theirs.timestamp, theirs.timestamp_type)
        head = (theirs.key and theirs.key[:10], theirs.value and theirs.value[:10])
        assert fields_of(ours) == (*place, *head, ())


@pytest.mark.usefixtures("small")
@given(RECORDS, CODECS, st.integers(0, 11), st.integers(1, 12))
def test_the_position_follows_the_returned_records_wherever_reading_starts(
    records: list[tuple[Any, Any, Any]], codec: int, begin: int, records_max: int
) -> None:
    def check() -> None:
        start, end = FIRST + begin % len(records), FIRST + len(records)
        data, expected = batch(records, codec), list(range(start, end))
        found: list[int] = []
        for records_read, position in read_by_calls(data, start, records_max):
            found += [each.offset for each in records_read]
            assert position == (found[-1] + 1 if found else start)
            if position < end:  # as after a restart
                again = [each.offset for each_call, _ in read_by_calls(data, position) for each in each_call]
                assert again == expected[len(found) :]
        assert found == expected

    inside_loop(check)


@pytest.mark.parametrize("codec", [1, 3, 4])
def test_a_batch_that_expands_a_lot_is_never_in_memory_as_a_whole(codec: int) -> None:
    plain = batch([(b"k", b"before", []), (b"k", b"a" * (100 * MIB), []), (b"k", b"after", [])], codec)

    def check() -> None:
        tracemalloc.start()
        calls = list(read_by_calls(plain))
        assert tracemalloc.get_traced_memory()[1] < 40 * MIB
        tracemalloc.stop()
        first, truncated, last = (each for records, _ in calls for each in records)
        assert (first.value, last.value) == (b"before", b"after")
        assert (truncated.value, truncated.original_sizes) == (b"a" * TRUNCATED_BYTES, RecordSizes(100 * MIB, 1, 1))
        assert len(calls) > 100 / 3, "the work of one call is bounded"

    inside_loop(check)


@pytest.mark.parametrize("codec", range(5))
def test_records_of_up_to_8_mib_are_read_whole_a_few_per_call(codec: int) -> None:
    records: list[tuple[Any, Any, Any]] = [(b"k", b"%d" % at * (MIB - 100), []) for at in range(10)] + [
        (b"k", b"a" * (8 * MIB - 100), [])
    ]

    def check() -> None:
        calls = list(read_by_calls(batch(records, codec)))
        assert [each.value for found, _ in calls for each in found] == [value for _, value, _ in records]
        assert max(len(found) for found, _ in calls) == 3

    inside_loop(check)


def test_headers_larger_than_a_part_are_dropped() -> None:
    *_, last = read_parts(batch([(None, None, [("", None)] * MIB)], 4))
    assert last.records == [Record(FIRST, 1_000, 0, None, None, (), RecordSizes(0, 0, 2 * MIB + 4))]


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("codec", range(5))
def test_a_batch_with_a_wrong_record_count_is_reported(count: int, codec: int) -> None:
    data = bytearray(batch([(None, b"a" * MIB, [])] * 3, codec))
    struct.pack_into(">i", data, COUNT_AT, count)

    def check() -> None:
        with pytest.raises(Fatal, match=r"^events-0@70: the record batch that begins there cannot be read: it holds"):
            list(read_by_calls(stored(data, FIRST)))

    inside_loop(check)
