"""What an archive has of each case: its facts and presence answers as they were consumed, and what was decided."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from schemas.codec.encoder import DEAD_LETTER_TYPE
from schemas.errors import InvalidMessage, UsageError
from schemas.topics import Topics
from streams.archive.layout import SegmentName
from streams.archive.reading import ArchiveReader
from streams.archive.records import ArchivedRecord
from streams.processor.decoder import RecordId
from streams.processor.internal_messages import Forwarded, unpack

Open = Callable[[SegmentName, ArchivedRecord], ArchivedRecord | None]
"""Returns a record of a file as it was consumed, None if anything that it says was erased."""
Filed = tuple[SegmentName, ArchivedRecord]
"""A record, and the file that has it."""


@dataclass(frozen=True, slots=True)
class History:
    """The records about one case in one partition number, those of each topic in the order of their offsets."""

    case_id: str
    """Empty: what is on a topic of decisions and about no case."""
    partition: int
    read: dict[str, list[Filed]] = field(default_factory=dict)
    """What a worker read, by topic: events of the inputs, presence answers and forwarded events."""
    decisions: list[Filed] = field(default_factory=list)


class OfPartition(NamedTuple):
    """Histories of one partition number, sorted by case, and records that were decided last of all there."""

    histories: Sequence[History]
    last: Sequence[Filed] = ()
    """If the histories are not those of all cases: the last record of each topic of decisions."""


class _Place(Struct, frozen=True):
    topic: str
    partition: int
    offset: int


class _Letter(Struct, frozen=True, tag_field="type", tag=DEAD_LETTER_TYPE):
    """What a dead letter says even if its record is sealed: where that was."""

    data: _Place


_letters: Final = msgspec.json.Decoder(_Letter)


class Passed:
    """Which records were not applied where they were consumed: those refused, and those forwarded elsewhere."""

    def __init__(self) -> None:
        self.refused: dict[RecordId, int] = {}
        """When each record first went to the dead letters, in milliseconds."""
        self.forwarded: set[RecordId] = set()

    def add_dead_letter(self, record: ArchivedRecord) -> None:
        """Note which record a dead letter is about; a record of another producer is passed over."""
        try:
            refused = _letters.decode(record.value or b"").data
        except (ValueError, RecursionError):
            return
        place = (refused.topic, refused.partition, refused.offset)
        self.refused[place] = min(record.timestamp, self.refused.get(place, record.timestamp))

    def add_internal(self, record: ArchivedRecord) -> None:
        """Note which record a message to a case forwards, if it does."""
        value = record.value or b""
        if _FORWARDED in value[: len(_FORWARDED) + 1]:
            try:
                message = unpack(value)
            except InvalidMessage:
                return
            if isinstance(message, Forwarded):
                self.forwarded.add((message.topic, message.partition, message.offset))


_FORWARDED: Final = b"\xa9forwarded"
"""The tag of a forwarded event in MessagePack, behind the byte that begins an array."""


class Histories:
    """The histories of the cases in an archive.

    Raises `UsageError` for an archive in which a topic was created again: its offsets name several records.
    """

    def __init__(self, reader: ArchiveReader, topics: Topics, open_record: Open) -> None:
        self._reader, self._topics, self._open = reader, topics, open_record
        self._read = (*topics.inputs, topics.cases)
        self.names: Final[Sequence[SegmentName]] = reader.names((*self._read, *topics.decisions, topics.dead_letters))
        """The files that have anything about cases."""
        for name in self.names:
            if name.generation:
                raise UsageError(
                    f"{name.path}: the topic was created again, so offsets in decisions do not say which records they "
                    "rest on"
                )
        self.passed: Final = Passed()

    def all(self) -> Iterator[OfPartition]:
        """Yield the histories of all cases."""
        for _, record in self._reader.records([self._topics.dead_letters]):
            self.passed.add_dead_letter(record)
        for name, record in self._reader.records([self._topics.cases]):
            self.passed.add_internal(self._open(name, record) or record)
        for partition in sorted({name.partition for name in self.names}):
            found: dict[str, History] = {}
            read = self._reader.labelled(self._read, partition, "case_id")
            decided = self._reader.labelled(self._topics.decisions, partition, "case_id", missing=True)
            for name, case_id, record in chain(read, decided):
                self._add(found, name, case_id or "", record)
            yield OfPartition([found[case_id] for case_id in sorted(found)])

    def of_case(self, case_id: str) -> Iterator[OfPartition]:
        """Yield the history of one case, reading little else."""

        def records(*topics: str) -> Iterator[Filed]:
            return self._reader.records_with(topics, "case_id", {case_id})

        for _, record in records(self._topics.dead_letters):
            self.passed.add_dead_letter(record)
        for name, record in records(self._topics.cases):
            self.passed.add_internal(self._open(name, record) or record)
        found: defaultdict[int, dict[str, History]] = defaultdict(dict)
        for name, record in records(*self._read, *self._topics.decisions):
            self._add(found[name.partition], name, case_id, record)
        for partition in sorted(found):
            yield OfPartition(list(found[partition].values()), list(self._last(partition)))

    def _last(self, partition: int) -> Iterator[Filed]:
        """Yield the last record of each topic of decisions in a partition number."""
        last = {name.topic: name for name in self.names if name.partition == partition}
        for topic in self._topics.decisions:
            if (name := last.get(topic)) is not None:
                yield from deque(self._reader.records_of(name), 1)

    def _add(self, found: dict[str, History], name: SegmentName, case_id: str, record: ArchivedRecord) -> None:
        history = found.get(case_id)
        if history is None:
            history = found[case_id] = History(case_id, name.partition)
        if name.topic in self._topics.decisions:
            history.decisions.append((name, record))
        else:
            history.read.setdefault(name.topic, []).append((name, record))
