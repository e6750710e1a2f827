"""Keeps the records of an archive in memory until a file is worth writing, and then writes it as a whole.

A file is the only thing that is kept: its name has the positions, so rows and positions cannot differ. What is in
memory when the process ends is read again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from schemas.codec.limits import record_size
from schemas.timestamps import SECOND_US
from streams.archive.folder import ArchiveFolder
from streams.archive.layout import TEMPORARY, SegmentName, day_of
from streams.archive.lookup import lookup_of
from streams.archive.records import ArchivedRecord
from streams.archive.segment import encode_segment
from streams.runtime.ports import TP, Clock
from streams.sealing.person_keys import PersonKeys
from streams.sealing.sealing import seal
from surfaces.sink.ports import Position, Record

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Open:
    """Records of a partition that are in no file yet."""

    name: SegmentName
    began_at: int
    """In microseconds."""
    records: list[ArchivedRecord] = field(default_factory=list)
    bytes: int = 0


class ArchiveStore:
    """Implements `surfaces.sink.ports.Store` over the folder of an archive; `flush` writes what is due.

    A file is closed after `file_bytes` of records or `file_age_s`. With `keys`, what is personal is sealed. Raises
    `Unavailable` at the start and from `flush` alone, so that no record is lost between the sink and a folder that is
    away.
    """

    def __init__(
        self,
        folder: ArchiveFolder,
        clock: Clock,
        *,
        file_bytes: int,
        file_age_s: float,
        keys: PersonKeys | None = None,
    ) -> None:
        self._folder, self._clock, self._keys = folder, clock, keys
        self._file_bytes, self._file_age_us = file_bytes, int(file_age_s * SECOND_US)
        self._last: dict[TP, SegmentName] = {each.tp: each for each in folder.names()}
        """The name of the last file of each partition, or one that ends where the first will begin."""
        self._open: dict[TP, _Open] = {}
        self._closed: deque[_Open] = deque()
        self._written: list[SegmentName] = []
        self.bytes_in_memory = self.records_written = self.files_written = 0
        for path in folder.paths():
            if path.endswith(TEMPORARY):  # its writer ended
                folder.delete(path)

    def positions(self) -> Mapping[TP, Position]:
        """Return where to continue."""
        return {tp: Position(each.topic_id, each.next) for tp, each in self._last.items()}

    def write(self, records: Sequence[Record], positions: Mapping[TP, Position]) -> None:
        """Keep records in memory; positions without records say where a partition begins or goes on."""
        for each in records:
            self._add(each)
        for tp, position in positions.items():
            self._move(tp, position)

    def _add(self, record: Record) -> None:
        kept = ArchivedRecord(
            record.offset, record.timestamp, record.key, record.value, tuple(record.headers), record.original_sizes
        )
        now = self._clock.now_us()
        day = min(day_of(record.timestamp), day_of(now // 1000))
        is_open = self._open.get(record.tp)
        if is_open is not None and day > is_open.name.day:
            self._close(record.tp)
            is_open = None
        if is_open is None:
            is_open = self._open[record.tp] = _Open(self._next_name(record.tp, day), now)
        is_open.name = is_open.name._replace(next=record.offset + 1)
        is_open.records.append(kept)
        size = record_size(record.value, record.key, record.headers)
        is_open.bytes += size
        self.bytes_in_memory += size
        if is_open.bytes >= self._file_bytes:
            self._close(record.tp)

    def _move(self, tp: TP, position: Position) -> None:
        """Take notice of where a partition goes on, if that is not behind its last record.

        Offsets that Kafka has deleted before they were read get a file without records: the log then says that they
        were missing when it was signed.
        """
        last = self._open[tp].name if tp in self._open else self._last.get(tp)
        if last is not None and (last.topic_id, last.next) == position:
            return
        self._close(tp)
        generation = 0 if last is None else last.generation + (last.topic_id != position.topic_id)
        name = SegmentName(
            *(tp.topic, tp.partition, generation, position.offset, position.offset, position.topic_id, date.min)
        )
        if last is not None and generation == last.generation:
            now = self._clock.now_us()
            name = name._replace(first=last.next, day=max(day_of(now // 1000), last.day))
            self._closed.append(_Open(name, now))
        self._last[tp] = name

    def _next_name(self, tp: TP, day: date) -> SegmentName:
        """Return the name of a file without records behind all others of its partition; days never go back."""
        last = self._last[tp]
        return last._replace(first=last.next, day=max(day, last.day))

    def _close(self, tp: TP) -> None:
        if (closed := self._open.pop(tp, None)) is not None:
            self._last[tp] = closed.name
            self._closed.append(closed)

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the folder that no more should be read."""
        return sum(each.bytes for each in self._closed) >= 2 * self._file_bytes

    @property
    def oldest_s(self) -> float:
        """For how many seconds the oldest record in memory has been there, 0 if none is."""
        waiting = [each.began_at for each in (*self._closed, *self._open.values())]
        return (self._clock.now_us() - min(waiting)) / SECOND_US if waiting else 0.0

    def flush(self, *, is_end: bool = False) -> Sequence[SegmentName]:
        """Write the files that are due, all at the end; return the names of those written since it last returned.

        Raises `Unavailable` if the folder fails. What it did not take is written next time; what it took is returned
        then.
        """
        now = self._clock.now_us()
        for tp, each in list(self._open.items()):
            if is_end or now - each.began_at >= self._file_age_us:
                self._close(tp)
        while self._closed:
            each = self._closed[0]
            records = each.records if self._keys is None else seal(self._keys, each.name, each.records)
            lookups = [lookup_of(each.name.topic, record) for record in records]
            self._folder.put(each.name.path, encode_segment(each.name, records, lookups))
            self._closed.popleft()
            self.bytes_in_memory -= each.bytes
            self.files_written += 1
            self.records_written += len(each.records)
            self._written.append(each.name)
            _logger.info("%s: %d records", each.name.path, len(each.records))
        written, self._written = self._written, []
        return written
