"""Reads the records of an archive: all of some topics, or those of one case alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from schemas.errors import UsageError
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import SegmentName
from streams.archive.records import ArchivedRecord
from streams.archive.segment import Segment
from streams.runtime.ports import TP

_PLACE: Final = re.compile(r"(.+)-(\d{1,9})@(\d{1,19})")


class ArchiveReader:
    """The records of an archive by topic, partition, generation and offset; raises `SopError` if it is damaged."""

    def __init__(self, folder: ArchiveFolder) -> None:
        self._folder = folder

    def records(self, topics: Collection[str]) -> Iterator[tuple[SegmentName, ArchivedRecord]]:
        """Yield all records of some topics."""
        for name in self._names(topics):
            yield from self._records(name)

    def records_with(
        self, topics: Collection[str], column: str, values: Collection[str]
    ) -> Iterator[tuple[SegmentName, ArchivedRecord]]:
        """Yield the records of some topics with one of these values in a lookup column, reading little else."""
        for name in self._names(topics):
            yield from self._records_with(name, column, values)

    def find(self, what: str) -> tuple[SegmentName, ArchivedRecord]:
        """Return the record with an id, or at a place (`topic-partition@offset`); raises `UsageError` without one."""
        if place := _PLACE.fullmatch(what):
            tp, offset = TP(place[1], int(place[2])), int(place[3])
            names = [each for each in self._folder.names() if each.tp == tp and each.first <= offset < each.next]
            found = ((name, each) for name in names for _, each in self._records(name) if each.offset == offset)
        else:
            names = list(reversed(self._folder.names()))
            found = (each for name in names for each in self._records_with(name, "id", {what}))
        for name, record in found:
            return name, record
        raise UsageError(f"{what}: no record of the archive has this {'place' if place else 'id'}")

    def _records(self, name: SegmentName) -> Iterator[tuple[SegmentName, ArchivedRecord]]:
        with Segment(self._folder, name) as segment:
            yield from ((name, each) for each in segment.records())

    def _records_with(
        self, name: SegmentName, column: str, values: Collection[str]
    ) -> Iterator[tuple[SegmentName, ArchivedRecord]]:
        with Segment(self._folder, name) as segment:
            yield from ((name, each) for each in segment.records_with(column, values))

    def _names(self, topics: Collection[str]) -> Iterator[SegmentName]:
        return (each for each in self._folder.names() if each.topic in topics)
