"""What the log says of a file of the archive: which records it has, and hashes from which any change shows."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from schemas.codec.headers import name_bytes
from schemas.codec.limits import RecordSizes
from streams.archive.layout import SegmentName
from streams.archive.records import ArchivedRecord
from streams.audit.merkle import leaf_hash


class Manifest(Struct, frozen=True, kw_only=True):
    """An entry of the log, as JSON. Hashes are SHA-256 in hexadecimal digits."""

    file: str
    """The path in the archive."""
    topic: str
    partition: int
    first: int
    next: int
    rows: int
    root: str
    """The Merkle root over the records (docs/audit.md)."""
    sha256: str
    """The hash of the file."""
    previous: str | None
    """The leaf hash of the manifest before it of that partition, None if it is the first."""

    @property
    def name(self) -> SegmentName:
        """The name of the file; raises ValueError if it is none, or does not fit the manifest."""
        name = SegmentName.parse(self.file)
        if (name.topic, name.partition, name.first, name.next) != (self.topic, self.partition, self.first, self.next):
            raise ValueError(f"{self.file}: its manifest is about other records")
        return name


def encode_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as the log has it."""
    return msgspec.json.encode(manifest)


def decode_manifest(entry: bytes) -> Manifest:
    """Return the manifest in an entry of the log; raises ValueError if it is none."""
    try:
        return _manifests.decode(entry)
    except RecursionError as error:
        raise ValueError(str(error)) from None


def manifest_of(name: SegmentName, content: bytes, root: bytes, rows: int, previous: bytes | None) -> Manifest:
    """Return the manifest of a file, from its content, the root of its records, and the entry before it."""
    return Manifest(
        file=name.path,
        topic=name.topic,
        partition=name.partition,
        first=name.first,
        next=name.next,
        rows=rows,
        root=root.hex(),
        sha256=sha256(content).hexdigest(),
        previous=None if previous is None else leaf_hash(previous).hex(),
    )


def record_bytes(topic: str, partition: int, record: ArchivedRecord) -> bytes:
    """Return a record as the bytes that its leaf is the hash of: every part after its length, so that none can move.

    Lengths and numbers have 8 bytes, big-endian; an absent part has the length -1.
    """
    parts = [
        _part(topic.encode()),
        _number(partition),
        _number(record.offset),
        _number(record.timestamp),
        _part(record.key),
        _part(record.value),
        _number(len(record.headers)),
    ]
    for name, value in record.headers:
        parts += [_part(name_bytes(name)), _part(value)]
    sizes = record.original_sizes
    parts += [_number(-1)] if sizes is None else map(_number, (len(sizes), *sizes))
    return b"".join(parts)


def record_leaf(topic: str, partition: int, record: ArchivedRecord) -> bytes:
    """Return the leaf of a record in the Merkle tree of its file."""
    return leaf_hash(record_bytes(topic, partition, record))


def read_record_bytes(content: bytes) -> tuple[str, int, ArchivedRecord]:
    """Return topic, partition and record from the bytes of `record_bytes`; raises ValueError for any others."""
    reader = _Reader(content)
    topic, partition = reader.part() or b"", reader.number()
    offset, timestamp, key, value = reader.number(), reader.number(), reader.part(), reader.part()
    headers = [
        ((reader.part() or b"").decode("utf-8", "surrogateescape"), reader.part()) for _ in range(reader.number())
    ]
    sizes = None
    if (count := reader.number()) == len(RecordSizes._fields):
        sizes = RecordSizes(reader.number(), reader.number(), reader.number())
    elif count >= 0:
        raise ValueError("the record has no such sizes")
    reader.end()
    return topic.decode(), partition, ArchivedRecord(offset, timestamp, key, value, tuple(headers), sizes)


class _Reader:
    """Reads what `_number` and `_part` wrote."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def number(self) -> int:
        return int.from_bytes(self._take(8), signed=True)

    def part(self) -> bytes | None:
        length = self.number()
        return None if length < 0 else self._take(length)

    def _take(self, length: int) -> bytes:
        taken = self._content[self._at : self._at + length]
        if len(taken) != length:
            raise ValueError("the record is cut off")
        self._at += length
        return taken

    def end(self) -> None:
        if self._at != len(self._content):
            raise ValueError("there is something behind the record")


def _part(content: bytes | None) -> bytes:
    return _number(-1) if content is None else _number(len(content)) + content


def _number(value: int) -> bytes:
    return value.to_bytes(8, signed=True)


_manifests: Final = msgspec.json.Decoder(Manifest)
