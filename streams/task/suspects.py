"""Finds what a worker cannot survive: a record or a name that raises, hangs or kills, however often it is tried.

A task that cannot be sure of what is next notes what it is, does it, and takes the note back. Who comes after one that
died meanwhile finds the note and does the same in smaller portions, each noted, until one that cannot be survived is
alone in its portion; that one is given up after three attempts. A process that is killed for another reason leaves a
note behind too: so only attempts at a single record or name count, which are over within milliseconds. Where the
last owner ended as it should, nothing is noted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from streams.ports import TP, Incoming
from streams.task.positions import reached
from streams.task.work import Batches

SUSPECTS_KEY: Final = b"suspects"
ATTEMPTS_MAX: Final = 3
PARTS: Final = 64
"""Into how many portions suspects are divided: 2,000 are alone after two deaths, and cost some 100 transactions."""
NAMES_MAX: Final = 1_000
"""How many names may be in one portion."""
NAMES_TOLD: Final = 3
WARY_US: Final = 60_000_000
"""For how long after a death everything is noted at least: what comes due may do so only a while after a start."""

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Portion:
    """What is done in one go: records are taken and concluded upon, names are concluded upon."""

    batches: Batches
    names: Sequence[str] = ()

    @property
    def records(self) -> int:
        """How many records it has."""
        return sum(len(records) for _, records in self.batches)


class Note(Struct, frozen=True):
    """A portion about to be done; none: all went well."""

    ranges: Mapping[str, tuple[int, int]]
    """Offsets from and up to (exclusive) by `topic-partition`."""
    attempts: int
    """How often a single record or name has been tried with this one; 0 for more than one."""
    error: str = ""
    """What was raised, where that is what happened."""
    records: int = 0
    """How many records the ranges hold."""
    names: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """What it is about, for a message."""
        spans = ((name, first, end - 1) for name, (first, end) in sorted(self.ranges.items()))
        places = [f"{name}@{first}" if first == last else f"{name}@{first}..{last}" for name, first, last in spans]
        places += self.names[:NAMES_TOLD]
        if len(self.names) > NAMES_TOLD:
            places.append(f"{len(self.names) - NAMES_TOLD} more")
        return ", ".join(places)

    @property
    def is_single(self) -> bool:
        """Whether it is about one record or one name."""
        return self.records + len(self.names) == 1


NO_SUSPECTS: Final = Note({}, 0)

_decoder: Final = msgspec.json.Decoder(Note)


def pack_note(note: Note) -> bytes:
    """Return the record's value."""
    return msgspec.json.encode(note, order="sorted")


def unpack_note(value: bytes) -> Note:
    """Return a note read back; raises `msgspec.DecodeError` for anything that this version did not write."""
    return _decoder.decode(value)


def note_on(portion: Portion, attempts: int, error: str = "") -> Note:
    """Return a note about a portion, tried so often if it is a single record or name."""
    note = Note(ranges_of(portion.batches), attempts, error, portion.records, tuple(portion.names))
    return note if note.is_single else msgspec.structs.replace(note, attempts=0)


class Suspects:
    """What the last owner's notes say of the records and names to come."""

    def __init__(self) -> None:
        """Begin without suspicion."""
        self.wary = False
        """Whether the last owner ended without a last checkpoint: then steps are noted for a while."""
        self._note = NO_SUSPECTS
        self._wary_until = 0

    def recall(self, note: Note) -> None:
        """Take a note read back; the last one counts."""
        self._note = note

    def begin(self, now: int) -> None:
        """Begin to count the time (microseconds) for which to be wary."""
        self._wary_until = now + WARY_US

    def calm(self, positions: Mapping[str, int], now: int, *, saved: bool) -> bool:
        """Tell whether nothing is to be feared: no death, or one long ago.

        That is when a checkpoint is `saved` since, all suspects are read, and no trouble came for a while.
        """
        if not self.wary:
            return True
        ends = {name: end for name, (_, end) in self._note.ranges.items()}
        return saved and now >= self._wary_until and reached(positions, ends)

    def portions(self, batches: Batches) -> Iterator[Portion]:
        """Yield batches in portions to be taken one after the other; at least one, which may be empty."""
        suspects: list[tuple[TP, Incoming]] = []
        before: list[tuple[TP, Sequence[Incoming]]] = []
        after: list[tuple[TP, Sequence[Incoming]]] = []
        for tp, records in batches:
            first, end = self._note.ranges.get(tp.name, (0, 0))
            groups = (
                [each for each in records if each.offset < first],
                [each for each in records if each.offset >= max(first, end)],
            )
            suspects += [(tp, each) for each in records if first <= each.offset < end]
            before += [(tp, groups[0])] if groups[0] else []
            after += [(tp, groups[1])] if groups[1] else []
        if before or not (suspects or after):
            yield Portion(before)
        for each in _parts(suspects, _part_size(self._note.records)):
            yield Portion([(tp, [record for _, record in same]) for tp, same in groupby(each, itemgetter(0))])
        if after:
            yield Portion(after)

    def name_portions(self, names: Sequence[str]) -> Iterator[Portion]:
        """Yield names in portions to be concluded upon one after the other."""
        known = set(self._note.names)
        suspects = [name for name in names if name in known]
        others = [name for name in names if name not in known]
        for each in _parts(suspects, _part_size(len(known))):
            yield Portion([], each)
        for each in _parts(others, NAMES_MAX):
            yield Portion([], each)

    def note_of(self, portion: Portion) -> Note | None:
        """Return what to note before a portion is done, None for an empty one."""
        if not (portion.batches or portion.names):
            return None
        return note_on(portion, self._attempts(portion) + 1)

    def refusal(self, portion: Portion) -> str | None:
        """Return why a portion is given up, if it is: a single record or name that was tried often enough."""
        if self._attempts(portion) < ATTEMPTS_MAX:
            return None
        return f"internal: {self._note.error or 'the process ended'}"

    def _attempts(self, portion: Portion) -> int:
        same = (ranges_of(portion.batches), tuple(portion.names)) == (self._note.ranges, self._note.names)
        return self._note.attempts if same and self._note.is_single else 0


def ranges_of(batches: Batches) -> dict[str, tuple[int, int]]:
    """Return the offsets from and up to (exclusive) of batches, by `topic-partition`."""
    ranges: dict[str, tuple[int, int]] = {}
    for tp, records in batches:
        first, end = ranges.get(tp.name, (records[0].offset, 0))
        ranges[tp.name] = (first, max(end, records[-1].offset + 1))
    return ranges


def _part_size(count: int) -> int:
    return max(1, -(-count // PARTS))


def _parts(whole: Sequence[Part], size: int) -> Iterator[Sequence[Part]]:
    for first in range(0, len(whole), size):
        yield whole[first : first + size]
