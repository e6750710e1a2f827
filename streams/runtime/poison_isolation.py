"""Finds poison: a record or name that raises, hangs or kills the process whenever it is tried.

An owner that suspects poison logs each chunk before it tries it, and logs its success afterwards. If it dies, the next
owner finds the attempt in the log and tries the chunk again in smaller ones, until a poison record or name is alone in
its chunk; after three attempts at it, it is given up. What comes first differs between owners, so the log has all
failed attempts, not only the last.

A process that is killed for another reason leaves an attempt behind too. So only attempts at a single record or name
count: they take milliseconds, and the last one runs while no other task of the process tries anything. A chunk that did
not raise and then succeeds is suspected no more. After an owner that ended cleanly nothing is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeVar

import msgspec
from msgspec import Struct, field

from schemas.errors import InvalidMessage
from streams.runtime.ports import TP, Batches, Incoming
from streams.runtime.positions import has_reached

ATTEMPT_LOG_KEY: Final = b"suspects"
ATTEMPTS_MAX: Final = 3
PARTS: Final = 64
"""Into how many parts a failed chunk is split: two deaths and some 100 transactions isolate one of 2,000 records."""
NAMES_MAX: Final = 1_000
"""How many names are looked up as due at once, and evaluated in one chunk while poison is isolated."""
SINGLES_MAX: Final = 100
"""How many attempts at single records and names the log keeps, the latest ones."""
WIDE_MAX: Final = 8
"""How many attempts at larger chunks the log keeps: two levels for each of the four input topics."""
WIDE_NAMES_MAX: Final = 2 * NAMES_MAX
"""How many names these have in total; with the longest names that is half a megabyte."""
NAMES_SHOWN: Final = 3
ISOLATE_US: Final = 60_000_000
"""How long, at least, chunks are logged after a death: a poison deadline may pass only some time after a start."""

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records to process and names to evaluate in one go."""

    batches: Batches
    names: Sequence[str] = ()

    @property
    def records(self) -> int:
        """How many records it has."""
        return sum(len(records) for _, records in self.batches)


class Attempt(Struct, frozen=True):
    """An attempt at a chunk that may have ended an owner."""

    ranges: Mapping[str, tuple[int, int]]
    """The first offset and the end (exclusive) by `topic-partition`."""
    records: int
    """How many records the ranges hold."""
    names: tuple[str, ...] = ()
    number: int = field(default=0, name="attempts")
    """How many attempts there have been at a single record or name; 0 for a larger chunk."""
    error: str = ""
    """The error that was raised, if one was."""

    @classmethod
    def of(cls, chunk: Chunk, number: int, error: str = "") -> Attempt:
        """Return an attempt at a chunk; its number counts only for a single record or name."""
        is_single = chunk.records + len(chunk.names) == 1
        return cls(ranges_of(chunk.batches), chunk.records, tuple(chunk.names), number if is_single else 0, error)

    @property
    def place(self) -> str:
        """The offsets and names of the chunk, for a message."""
        spans = ((name, first, end - 1) for name, (first, end) in sorted(self.ranges.items()))
        places = [f"{name}@{first}" if first == last else f"{name}@{first}..{last}" for name, first, last in spans]
        places += self.names[:NAMES_SHOWN]
        if len(self.names) > NAMES_SHOWN:
            places.append(f"{len(self.names) - NAMES_SHOWN} more")
        return ", ".join(places)

    @property
    def is_single(self) -> bool:
        """Whether the chunk is a single record or name."""
        return self.records + len(self.names) == 1

    @property
    def ends(self) -> dict[str, int]:
        """The next offsets to process after the chunk."""
        return {name: end for name, (_, end) in self.ranges.items()}

    def is_same_chunk(self, other: Attempt) -> bool:
        """Return whether another attempt is at the same chunk."""
        return (self.ranges, self.names) == (other.ranges, other.names)


class AttemptLog(Struct, frozen=True):
    """The attempts to suspect if the owner dies now, the latest last; none if all went well."""

    version: str
    """Of the worker: another version may survive what this one does not."""
    attempts: tuple[Attempt, ...] = field(default=(), name="suspects")


_decoder: Final = msgspec.json.Decoder(AttemptLog)


def pack_attempt_log(log: AttemptLog) -> bytes:
    """Return the value of the record."""
    return msgspec.json.encode(log, order="sorted")


def unpack_attempt_log(value: bytes) -> AttemptLog:
    """Return the attempt log in a record's value; raises `InvalidMessage` for anything else."""
    try:
        return _decoder.decode(value)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage(f"value: no attempt log of this version ({error})") from None


class PoisonIsolation:
    """Splits records and names into chunks, by the attempts of the last owners; `version` is this worker's."""

    def __init__(self, version: str) -> None:
        self.after_crash = False
        """Whether the last owner ended without a last checkpoint; then chunks are logged for a while."""
        self._version = version
        self._suspected: list[Attempt] = []
        self._done: list[Attempt] = []
        self._names_done: set[str] = set()
        self._isolate_until = 0

    def restore(self, log: AttemptLog) -> None:
        """Continue from an attempt log, the last one read; attempts of another version do not count."""
        self._suspected = list(log.attempts)
        if log.version != self._version:
            self._suspected = [msgspec.structs.replace(each, number=0) for each in log.attempts]

    def forget_topics(self, topics: Collection[str]) -> None:
        """Suspect no record of topics that were deleted and created again: other records have these offsets now."""
        self._suspected = [
            each for each in self._suspected if all(TP.parse(name).topic not in topics for name in each.ranges)
        ]

    def begin(self, positions: Mapping[str, int], now: int) -> None:
        """Begin at the next offsets to process, at an instant (microseconds)."""
        self._suspected = [each for each in self._suspected if each.names or not has_reached(positions, each.ends)]
        self._isolate_until = now + ISOLATE_US

    def is_needed(self, positions: Mapping[str, int], now: int, *, saved: bool) -> bool:
        """Return whether chunks must still be logged after the death of the last owner.

        They are until a checkpoint is `saved`, all suspected records are processed, and enough time has passed.
        """
        if not self.after_crash:
            return False
        is_over = saved and now >= self._isolate_until
        return not (is_over and all(has_reached(positions, each.ends) for each in self._suspected))

    def chunks(self, batches: Batches) -> Iterator[Chunk]:
        """Yield batches in chunks to process in this order; at least one, which may be empty."""
        if not self._suspected:
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
        """Yield names in chunks to evaluate in this order, those from the smallest suspected chunks first."""
        sizes = dict.fromkeys(names, NAMES_MAX)
        for each in self._suspected:
            size = _part_size(len(each.names))
            sizes.update({name: min(size, sizes[name]) for name in each.names if name in sizes})
        for size, same in groupby(sorted(sizes, key=sizes.__getitem__), sizes.__getitem__):
            for part in _parts(list(same), size):
                yield Chunk([], part)

    def log(self, current: Attempt | None = None) -> AttemptLog:
        """Return the log to publish before an attempt, or when none is under way."""
        attempts = [each for each in self._suspected if each not in self._done]
        if current is not None:
            attempts = [*(each for each in attempts if not each.is_same_chunk(current)), current]
        return AttemptLog(self._version, tuple(_latest(attempts)))

    def next_attempt(self, chunk: Chunk) -> Attempt | None:
        """Return the attempt that comes next at a chunk; None for an empty one."""
        if not (chunk.batches or chunk.names):
            return None
        return Attempt.of(chunk, self._known(Attempt.of(chunk, 0)).number + 1)

    def mark_done(self, chunk: Chunk, positions: Mapping[str, int]) -> None:
        """Note that a chunk is done, with the next offsets to process.

        A chunk that raised before stays suspected for the next owner: it may raise only after certain others. One that
        was given up is no longer suspected.
        """
        if self.refusal(chunk) is not None:
            done = Attempt.of(chunk, 0)
            self._suspected = [each for each in self._suspected if not each.is_same_chunk(done)]
        self._names_done.update(chunk.names)
        self._done = [
            each
            for each in self._suspected
            if not each.error and has_reached(positions, each.ends) and self._names_done.issuperset(each.names)
        ]

    def clear(self) -> bool:
        """Suspect nothing any more; return whether anything was suspected."""
        suspected, self._suspected = self._suspected, []
        return bool(suspected)

    def names_given_up(self) -> list[Chunk]:
        """Return the names that were tried often enough, a chunk for each."""
        return [Chunk([], each.names) for each in self._suspected if each.names and each.number >= ATTEMPTS_MAX]

    def refusal(self, chunk: Chunk) -> str | None:
        """Return why a chunk is given up; None unless it is a record or name that was tried often enough."""
        if not self._suspected:
            return None
        known = self._known(Attempt.of(chunk, 0))
        if known.number < ATTEMPTS_MAX:
            return None
        return f"internal: {known.error or 'the process ended'}"

    def _known(self, attempt: Attempt) -> Attempt:
        """Return the logged attempt at the same chunk, or else this one."""
        return next((each for each in self._suspected if each.is_same_chunk(attempt)), attempt)

    def _sizes(self, tp: TP) -> Callable[[Incoming], int]:
        """Return a function from a record of a partition to the size of its chunk; 0: any size."""
        spans = [
            (*each.ranges[tp.name], _part_size(each.records)) for each in self._suspected if tp.name in each.ranges
        ]
        return lambda record: min((size for first, end, size in spans if first <= record.offset < end), default=0)


def _latest(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the latest attempts, few enough for a log record of an ordinary size."""
    singles = [each for each in attempts if each.is_single]
    wide = [each for each in attempts if not each.is_single][-WIDE_MAX:]
    while sum(len(each.names) for each in wide) > WIDE_NAMES_MAX:
        del wide[0]
    return [*wide, *singles[-SINGLES_MAX:]]


def ranges_of(batches: Batches) -> dict[str, tuple[int, int]]:
    """Return the first offset and the end (exclusive) of batches, by `topic-partition`."""
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
