"""The policies that an archive has of their topic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from schemas.errors import PolicyError
from streams.archive.reading import ArchiveReader
from streams.policies.book import PolicyBook
from streams.runtime.ports import Stored


def take_policies(reader: ArchiveReader, topic: str, book: PolicyBook) -> Iterator[int]:
    """Have a book take the records of a topic, one after the other; yield the offset of each that changes it.

    Records that workers refuse are passed over, as by them. Raises as the reader does.
    """
    for name, record in reader.records([topic]):
        stored = Stored(record.offset, record.key, record.value, record.headers, record.timestamp)
        with suppress(PolicyError):
            if book.take(stored, f"{name.tp.name}@{record.offset}") is not None:
                yield record.offset
