"""Finds what a worker cannot survive: a record or a name that raises, hangs or kills, however often it is tried.

A task that cannot be sure of what is next notes what it is, does it, and takes the note back. Who comes after one that
died meanwhile finds the note and does the same in smaller portions, each noted, until one that cannot be survived is
alone in its portion; that one is given up after three attempts. What comes first differs from life to life, so a note
carries all suspects, not the last one only. A process that is killed for another reason leaves a note behind too: so
only attempts at a single record or name count, which are over within milliseconds, the last of them while no other task
of the process tries anything, and what did not raise is no suspect of the next owner once it went well. Where the last
owner ended as it should, nothing is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from schemas.errors import InvalidMessage
from streams.runtime.ports import TP, Batches, Incoming
from streams.runtime.positions import has_reached

ATTEMPT_LOG_KEY: Final = b"suspects"
ATTEMPTS_MAX: Final = 3
PARTS: Final = 64
"""Into how many portions suspects are divided: 2,000 are alone after two deaths, and cost some 100 transactions."""
NAMES_MAX: Final = 1_000
"""How many names may be in one portion."""
SINGLES_MAX: Final = 100
"""How many single records and names are remembered, the latest of them."""
WIDE_MAX: Final = 8
"""How many larger portions are: two levels of each of the four input topics."""
WIDE_NAMES_MAX: Final = 2 * NAMES_MAX
"""How many names these may have; at their longest they are half a megabyte."""
NAMES_TOLD: Final = 3
WARY_US: Final = 60_000_000
"""For how long after a death everything is noted at least: what comes due may do so only a while after a start."""

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is done in one go: records are taken and concluded upon, names are concluded upon."""

    batches: Batches
    names: Sequence[str] = ()

    @property
    def records(self) -> int:
        """How many records it has."""
        return sum(len(records) for _, records in self.batches)


class Suspect(Struct, frozen=True):
    """A portion on which an owner may have ended."""

    ranges: Mapping[str, tuple[int, int]]
    """Offsets from and up to (exclusive) by `topic-partition`."""
    records: int
    """How many records the ranges hold."""
    names: tuple[str, ...] = ()
    attempts: int = 0
    """How often a single record or name has been tried; 0 for more than one."""
    error: str = ""
    """What was raised, where that is what happened."""

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

    @property
    def ends(self) -> dict[str, int]:
        """The next offsets to read after it."""
        return {name: end for name, (_, end) in self.ranges.items()}

    def is_same(self, other: Suspect) -> bool:
        """Tell whether another is the same portion."""
        return (self.ranges, self.names) == (other.ranges, other.names)


class AttemptLog(Struct, frozen=True):
    """All suspects there would be if the owner ended now, the latest last; none: all went well."""

    version: str
    """Of the worker: what another one tried may well go well with this one."""
    suspects: tuple[Suspect, ...] = ()


_decoder: Final = msgspec.json.Decoder(AttemptLog)


def pack_attempt_log(note: AttemptLog) -> bytes:
    """Return the record's value."""
    return msgspec.json.encode(note, order="sorted")


def unpack_attempt_log(value: bytes) -> AttemptLog:
    """Return a note read back; raises `InvalidMessage` for anything that this version did not write."""
    try:
        return _decoder.decode(value)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: no note of this version ({error})") from None


def suspect_of(chunk: Chunk, attempts: int, error: str = "") -> Suspect:
    """Return a portion as a suspect, tried so often if it is a single record or name."""
    suspect = Suspect(ranges_of(chunk.batches), chunk.records, tuple(chunk.names), attempts, error)
    return suspect if suspect.is_single else msgspec.structs.replace(suspect, attempts=0)


class PoisonIsolation:
    """What the last owners' notes say of the records and names to come."""

    def __init__(self, version: str) -> None:
        """Begin without suspicion; attempts by another version of the worker do not count."""
        self.wary = False
        """Whether the last owner ended without a last checkpoint: then steps are noted for a while."""
        self._version = version
        self._isolation: list[Suspect] = []
        self._went_well: list[Suspect] = []
        self._names_done: set[str] = set()
        self._wary_until = 0

    def recall(self, note: AttemptLog) -> None:
        """Take a note read back; the last one counts."""
        self._isolation = list(note.suspects)
        if note.version != self._version:
            self._isolation = [msgspec.structs.replace(each, attempts=0) for each in note.suspects]

    def forget_positions(self, topics: Collection[str]) -> None:
        """Suspect no record of topics that were deleted and created again: others have their offsets now."""
        self._isolation = [
            each for each in self._isolation if all(TP.parse(name).topic not in topics for name in each.ranges)
        ]

    def begin(self, positions: Mapping[str, int], now: int) -> None:
        """Begin at the next offsets to read, and to count the time (microseconds) for which to be wary."""
        self._isolation = [each for each in self._isolation if each.names or not has_reached(positions, each.ends)]
        self._wary_until = now + WARY_US

    def calm(self, positions: Mapping[str, int], now: int, *, saved: bool) -> bool:
        """Tell whether nothing is to be feared: no death, or one long ago.

        That is when a checkpoint is `saved` since, all suspects are read, and no trouble came for a while.
        """
        if not self.wary:
            return True
        return saved and now >= self._wary_until and all(has_reached(positions, each.ends) for each in self._isolation)

    def chunks(self, batches: Batches) -> Iterator[Chunk]:
        """Yield batches in portions to be taken one after the other; at least one, which may be empty."""
        if not self._isolation:
            yield Chunk(batches)
            return
        others: list[tuple[TP, Sequence[Incoming]]] = []
        for tp, records in batches:
            for size, run in groupby(records, self._sizes(tp)):
                if not size:
                    others.append((tp, list(run)))
                    continue
                if others:
                    yield Chunk(others)
                    others = []
                for each in _parts(list(run), size):
                    yield Chunk([(tp, each)])
        if others or not batches:
            yield Chunk(others)

    def name_chunks(self, names: Sequence[str]) -> Iterator[Chunk]:
        """Yield names in portions to be concluded upon one after the other, those most suspected first."""
        sizes = dict.fromkeys(names, NAMES_MAX)
        for each in self._isolation:
            size = _part_size(len(each.names))
            sizes.update({name: min(size, sizes[name]) for name in each.names if name in sizes})
        for size, same in groupby(sorted(sizes, key=sizes.__getitem__), sizes.__getitem__):
            for part in _parts(list(same), size):
                yield Chunk([], part)

    def note(self, doing: Suspect | None = None) -> AttemptLog:
        """Return what to note before something is done, or when nothing is."""
        suspects = [each for each in self._isolation if each not in self._went_well]
        if doing is not None:
            suspects = [*(each for each in suspects if not each.is_same(doing)), doing]
        return AttemptLog(self._version, tuple(_remembered(suspects)))

    def next_of(self, chunk: Chunk) -> Suspect | None:
        """Return a portion that is about to be done as a suspect, None for an empty one."""
        if not (chunk.batches or chunk.names):
            return None
        return suspect_of(chunk, self._known(suspect_of(chunk, 0)).attempts + 1)

    def went_well(self, chunk: Chunk, positions: Mapping[str, int]) -> None:
        """Hear what was done, and how far the inputs are read.

        What raised before stays suspected by the next owner too, in case that it does so only after something else;
        what is given up by nobody.
        """
        if self.refusal(chunk) is not None:
            done = suspect_of(chunk, 0)
            self._isolation = [each for each in self._isolation if not each.is_same(done)]
        self._names_done.update(chunk.names)
        self._went_well = [
            each
            for each in self._isolation
            if not each.error and has_reached(positions, each.ends) and self._names_done.issuperset(each.names)
        ]

    def forget(self) -> bool:
        """Suspect nothing any more; return whether anything was suspected."""
        was_suspicious = bool(self._isolation)
        self._isolation = []
        return was_suspicious

    def names_given_up(self) -> list[Chunk]:
        """Return the names that were tried often enough, a portion each."""
        return [Chunk([], each.names) for each in self._isolation if each.names and each.attempts >= ATTEMPTS_MAX]

    def refusal(self, chunk: Chunk) -> str | None:
        """Return why a portion is given up, if it is: a single record or name that was tried often enough."""
        if not self._isolation:
            return None
        known = self._known(suspect_of(chunk, 0))
        if known.attempts < ATTEMPTS_MAX:
            return None
        return f"internal: {known.error or 'the process ended'}"

    def _known(self, suspect: Suspect) -> Suspect:
        return next((each for each in self._isolation if each.is_same(suspect)), suspect)

    def _sizes(self, tp: TP) -> Callable[[Incoming], int]:
        """Return what says of a record of a partition how many may be in its portion; 0: any number."""
        spans = [
            (*each.ranges[tp.name], _part_size(each.records)) for each in self._isolation if tp.name in each.ranges
        ]
        return lambda record: min((size for first, end, size in spans if first <= record.offset < end), default=0)


def _remembered(suspects: Sequence[Suspect]) -> list[Suspect]:
    """Return the latest of suspects, so many that a note stays a record of an ordinary size."""
    singles = [each for each in suspects if each.is_single]
    wide = [each for each in suspects if not each.is_single][-WIDE_MAX:]
    while sum(len(each.names) for each in wide) > WIDE_NAMES_MAX:
        del wide[0]
    return [*wide, *singles[-SINGLES_MAX:]]


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
