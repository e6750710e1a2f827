"""Reads the records of an archive: all of some topics, or those of one case alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property, partial
from itertools import islice
from typing import Final

from schemas.errors import UsageError
from streams.archive.folder import ArchiveFolder
from streams.archive.index import COLUMNS, Indexes
from streams.archive.layout import SegmentName
from streams.archive.records import ArchivedRecord
from streams.archive.segment import Segment
from streams.runtime.ports import TP

_NAMED_MAX: Final = 10
_PLACE: Final = re.compile(r"(.+)-(\d{1,9})@(\d{1,19})")


class ArchiveReader:
    """The records of an archive by topic, partition, generation and offset; raises `SopError` if it is damaged.

    `names` are the files that it reads; None: all that there are. `open_segment` opens one, perhaps verified.
    """

    def __init__(
        self,
        folder: ArchiveFolder,
        names: Sequence[SegmentName] | None = None,
        open_segment: Callable[[SegmentName], Segment] | None = None,
    ) -> None:
        self._folder, self._given = folder, names
        self._open = partial(Segment, folder) if open_segment is None else open_segment

    def records(self, topics: Collection[str]) -> Iterator[tuple[SegmentName, ArchivedRecord]]:
        """Yield all records of some topics."""
        for name in self._names(topics):
            yield from self.records_of(name)

    def records_with(
        self, topics: Collection[str], column: str, values: Collection[str]
    ) -> Iterator[tuple[SegmentName, ArchivedRecord]]:
        """Yield the records of some topics with one of these values in a lookup column, reading little else."""
        names, values = self.names(topics), _storable(values)
        for name in self._indexes.may_have(names, values) if column in COLUMNS else names:
            yield from self._records_with(name, column, values)

    def labelled(
        self, topics: Collection[str], partition: int, column: str, *, missing: bool = False
    ) -> Iterator[tuple[SegmentName, str | None, ArchivedRecord]]:
        """Yield the records of a partition number that have a value in a lookup column, with it.

        With `missing`, also those that have none.
        """
        for name in self._names(topics):
            if name.partition == partition:
                with self._open(name) as segment:
                    yield from ((name, label, each) for label, each in segment.labelled(column, missing=missing))

    def names(self, topics: Collection[str]) -> Sequence[SegmentName]:
        """Return the names of the files of some topics."""
        return list(self._names(topics))

    def records_of(self, name: SegmentName) -> Iterator[tuple[SegmentName, ArchivedRecord]]:
        """Yield all records of a file."""
        with self._open(name) as segment:
            yield from ((name, each) for each in segment.records())

    def find(self, what: str, outputs: Collection[str]) -> tuple[SegmentName, ArchivedRecord]:
        """Return the record with an id, or at a place (`topic-partition@offset`).

        An id is that of a record of these topics if one has it: producers of others choose ids as they like. Raises
        `UsageError` without such a record, or if several have the id.
        """
        if place := _PLACE.fullmatch(what):
            tp, offset = TP(place[1], int(place[2])), int(place[3])
            names = [each for each in self._all if each.tp == tp and each.first <= offset < each.next]
            at_place = ((name, each) for name in names for _, each in self.records_of(name) if each.offset == offset)
            found = list(islice(at_place, 1))
        else:
            others = {each.topic for each in self._all}.difference(outputs)
            found = list(self.records_with(outputs, "id", {what})) or list(self.records_with(others, "id", {what}))
        if not found:
            raise UsageError(f"{what}: no record of the archive has this {'place' if place else 'id'}")
        if len(found) > 1:
            places = ", ".join(f"{name.tp.name}@{record.offset}" for name, record in found[:_NAMED_MAX])
            raise UsageError(f"{what}: {len(found)} records have this id: {places}; name the place of the one you mean")
        return found[0]

    def _records_with(
        self, name: SegmentName, column: str, values: Collection[str]
    ) -> Iterator[tuple[SegmentName, ArchivedRecord]]:
        with self._open(name) as segment:
            yield from ((name, each) for each in segment.records_with(column, values))

    def _names(self, topics: Collection[str]) -> Iterator[SegmentName]:
        return (each for each in self._all if each.topic in topics)

    @cached_property
    def _indexes(self) -> Indexes:
        return Indexes(self._folder)

    @cached_property
    def _all(self) -> Sequence[SegmentName]:
        return self._folder.names() if self._given is None else self._given


def _storable(values: Collection[str]) -> Collection[str]:
    """Return those of some values that UTF-8 can hold; no record has another one (an argument of a command may be)."""
    return [each for each in values if each.encode(errors="replace").decode() == each]
