"""Kafka's record batches as a fetch returns them, and their records, including headers whose names are not UTF-8.

Kafka does not require UTF-8, but aiokafka fails the whole batch, and with it the partition, on such a header. So the
consumers keep the bytes of batches, and such a batch is parsed again with its names undecoded
(`schemas.codec.headers`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final, SupportsIndex

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchBuilderPy, _DefaultRecordBatchPy
from aiokafka.record.legacy_records import LegacyRecordBatch
from msgspec import Struct
from zstandard import ZstdDecompressor

from schemas.codec.headers import Headers
from schemas.codec.limits import RecordSizes

LENGTH_AT: Final = 8
LOG_OVERHEAD: Final = 12
"""The base offset and the length field, which the length does not count."""
MAGIC_AT: Final = 16
SMALLEST: Final = {0: 26, 1: 34, 2: 61}
"""The smallest batch (magic 2) or message (0 and 1) in bytes."""
NO_TIMESTAMP: Final = -1


class Record(Struct, frozen=True, gc=False):
    """One record.

    `timestamp` is in milliseconds, -1 if there is none; `timestamp_type` is 0 for create time, 1 for log append time.

    `original_sizes` is set for a record that is too large to keep: its key and value are truncated then, and
    its headers dropped.
    """

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    original_sizes: RecordSizes | None = None


class RecordBatches:
    """Iterates over the record batches of a fetch and keeps their bytes; replaces aiokafka's `MemoryRecords`.

    An incomplete batch at the end is ignored: brokers truncate responses to the requested size.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = self._start = 0
        self.parts: Iterator[Any] | None = None
        """The remaining parts of the current batch, if it is not read to its end."""
        self.next_offset = 0
        """The offset that follows the current batch."""

    def size_in_bytes(self) -> int:
        """Return the size of the fetch."""
        return len(self._data)

    def has_next(self) -> bool:
        """Return whether another complete batch, or the rest of the current one, can be read."""
        if self.parts is not None:
            return True
        return self._at + LOG_OVERHEAD <= len(self._data) and self._end() <= len(self._data)

    @cached_property
    def zstd(self) -> ZstdDecompressor:
        """The Zstandard decompressor, shared by all batches to reuse its memory."""
        return ZstdDecompressor()

    @property
    def offset(self) -> int:
        """The base offset of the current batch."""
        return int.from_bytes(self._data[self._start : self._start + LENGTH_AT], "big", signed=True)

    def next_batch(self) -> Any:
        """Advance to the next batch, whose bytes are in `latest`, and return it; raises ValueError if it is invalid."""
        self._start, self._at = self._at, self._end()
        raw = self.latest = memoryview(self._data)[self._start : self._at]
        magic = raw[MAGIC_AT] if len(raw) > MAGIC_AT else 0
        if len(raw) < SMALLEST.get(magic, 0):
            raise ValueError(f"{len(raw)} bytes are not a record batch")
        if magic not in SMALLEST:
            raise ValueError(f"its format has the number {magic}")
        batch: Any = DefaultRecordBatch(raw) if magic == 2 else LegacyRecordBatch(bytes(raw), magic)
        self.next_offset = batch.next_offset
        return batch

    def step_back(self) -> None:
        """Rewind, so that `next_batch` returns the current batch again."""
        self._at, self.parts = self._start, None

    def _end(self) -> int:
        length = int.from_bytes(self._data[self._at + LENGTH_AT : self._at + LOG_OVERHEAD], "big", signed=True)
        return self._at + LOG_OVERHEAD + max(length, 0)


def records_of(batch: Any, raw: memoryview) -> list[Record]:
    """Return the records of a batch with the bytes `raw`; invalid UTF-8 in header names becomes surrogate escapes.

    Raises whatever aiokafka and its libraries raise for malformed records.
    """
    try:
        return _records(batch)
    except UnicodeDecodeError:
        lenient: Any = _DefaultRecordBatchPy(raw)
        lenient._maybe_uncompress()  # noqa: SLF001 - aiokafka offers no other way
        lenient._buffer = _LenientNames(lenient._buffer)  # noqa: SLF001 - the same
        return _records(lenient)


def _records(batch: Iterable[Any]) -> list[Record]:
    return [
        Record(
            each.offset,
            NO_TIMESTAMP if each.timestamp is None else each.timestamp,  # the first format had none
            each.timestamp_type or 0,
            each.key,
            each.value,
            tuple(each.headers),
        )
        for each in batch
    ]


def record_batch(key: bytes | None, value: bytes | None, headers: Headers) -> BatchBuilder:
    """Return a batch of one record, with the present time, for an aiokafka producer.

    Unlike `send` it accepts a record without key and value, and any header that `records_of` returns.
    """
    batch = _BatchOfOne(0, compression_type=0)
    named = [(_Name(name), content) for name, content in headers]
    batch.append(timestamp=None, key=key, value=value, headers=named)
    batch.close()
    return batch


class _BatchOfOne(BatchBuilder):  # type: ignore[misc] # without types
    """Builds with aiokafka's Python builder, which calls `_Name.encode`; the C builder knows only UTF-8."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 0)

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._builder.set_producer_state(producer_id, producer_epoch, base_sequence)


class _Name(str):
    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> bytes:
        return super().encode(encoding, errors)


class _LenientNames(bytearray):
    """Bytes of records for aiokafka's Python reader, which calls `decode` only for header names."""

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        part = super().__getitem__(at)
        return _LenientNames(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
        return super().decode(encoding, errors)
