"""Kafka's record batches as a fetch returns them, and their records, whatever these hold.

aiokafka gives up a whole batch, and with it the partition, for one header whose name is no UTF-8, which Kafka does not
ask for. So its consumers are made to keep the bytes of batches, and such a batch is read again with its names as they
are (`schemas.codec.headers`).
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
from schemas.codec.record_sizes import Sizes

LENGTH_AT: Final = 8
LOG_OVERHEAD: Final = 12
"""An offset and a length, which are not counted in it."""
MAGIC_AT: Final = 16
SMALLEST: Final = {0: 26, 1: 34, 2: 61}
"""The bytes of a batch without records, of a message without key and value for the magic numbers of old."""
NO_TIMESTAMP: Final = -1


class Record(Struct, frozen=True, gc=False):
    """One record; `timestamp` in milliseconds, -1 for none; its type is 0 for the producer's and 1 for the broker's.

    `original_sizes` is set for a record that is too large to keep: its key and value are truncated then, and
    its headers dropped.
    """

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    original_sizes: Sizes | None = None


class RecordBatches:
    """What was fetched of a partition, a record batch at a time, as aiokafka's `MemoryRecords`, with their bytes.

    Bytes at the end that are no whole batch are passed over: brokers cut what they return.
    """

    def __init__(self, data: bytes) -> None:
        """Take a fetched record set."""
        self._data = data
        self._at = self._began = 0
        self.parts: Iterator[Any] | None = None
        """What is left of the batch that was asked for last, if somebody is to go on with it."""
        self.next_offset = 0
        """The offset behind that batch."""

    def size_in_bytes(self) -> int:
        """Return how many bytes were fetched."""
        return len(self._data)

    def has_next(self) -> bool:
        """Tell whether there is another whole batch, or the rest of one."""
        if self.parts is not None:
            return True
        return self._at + LOG_OVERHEAD <= len(self._data) and self._end() <= len(self._data)

    @cached_property
    def zstd(self) -> ZstdDecompressor:
        """What inflates Zstandard: its memory serves one batch after the other."""
        return ZstdDecompressor()

    @property
    def offset(self) -> int:
        """The first offset of the batch that was asked for last."""
        return int.from_bytes(self._data[self._began : self._began + LENGTH_AT], "big", signed=True)

    def next_batch(self) -> Any:
        """Return the next one as aiokafka's, its bytes in `latest`; raises ValueError if it is none."""
        self._began, self._at = self._at, self._end()
        raw = self.latest = memoryview(self._data)[self._began : self._at]
        magic = raw[MAGIC_AT] if len(raw) > MAGIC_AT else 0
        if len(raw) < SMALLEST.get(magic, 0):
            raise ValueError(f"{len(raw)} bytes are no record batch")
        if magic not in SMALLEST:
            raise ValueError(f"its format has the number {magic}")
        batch: Any = DefaultRecordBatch(raw) if magic == 2 else LegacyRecordBatch(bytes(raw), magic)
        self.next_offset = batch.next_offset
        return batch

    def step_back(self) -> None:
        """Have the batch that was asked for last come next again."""
        self._at, self.parts = self._began, None

    def _end(self) -> int:
        length = int.from_bytes(self._data[self._at + LENGTH_AT : self._at + LOG_OVERHEAD], "big", signed=True)
        return self._at + LOG_OVERHEAD + max(length, 0)


def records_of(batch: Any, raw: memoryview) -> list[Record]:
    """Return the records of a batch with these bytes, the names of headers with surrogates for what is no UTF-8.

    Raises whatever the client and its libraries raise for bytes that are no records.
    """
    try:
        return _records(batch)
    except UnicodeDecodeError:
        anew: Any = _DefaultRecordBatchPy(raw)
        anew._maybe_uncompress()  # noqa: SLF001 - aiokafka offers no other way
        anew._buffer = _LenientNames(anew._buffer)  # noqa: SLF001 - the same
        return _records(anew)


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
    """Return a batch of one record for a producer of aiokafka, stamped with the present.

    Unlike `send` it takes a record that has neither key nor value, and any header that `records_of` returns.
    """
    batch = _BatchOfOne(0, compression_type=0)
    named = [(_Name(name), content) for name, content in headers]
    batch.append(timestamp=None, key=key, value=value, headers=named)
    batch.close()
    return batch


class _BatchOfOne(BatchBuilder):  # type: ignore[misc] # without types
    """Builds in Python, where a name encodes itself; aiokafka's builder in C does that, and knows UTF-8 only."""

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
    """The bytes of records for aiokafka's reader in Python, which decodes nothing of them but names of headers."""

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        part = super().__getitem__(at)
        return _LenientNames(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
        return super().decode(encoding, errors)
