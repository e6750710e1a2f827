"""Finds the record that a worker cannot survive: one that raises, hangs or kills, however often it is tried.

A task that cannot be sure of the next records notes which they are, takes them, and takes the note back. Who comes
after one that died meanwhile finds the note, takes these records one by one, each noted with how many attempts it has
had, and refuses the one with too many. Where the last owner ended as it should, nothing is noted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from streams.ports import TP, Incoming
from streams.task.work import Batches

SUSPECTS_KEY: Final = b"suspects"
ATTEMPTS_MAX: Final = 3


class Note(Struct, frozen=True):
    """Records about to be taken: offsets from and up to (exclusive) by `topic-partition`; none: all went well."""

    ranges: Mapping[str, tuple[int, int]]
    attempts: int
    """How often they have been tried with this one."""
    error: str = ""
    """What was raised, where that is what happened."""

    @property
    def place(self) -> str:
        """Where the records lie, for a message."""
        spans = ((name, first, end - 1) for name, (first, end) in sorted(self.ranges.items()))
        return ", ".join(
            f"{name}@{first}" if first == last else f"{name}@{first}..{last}" for name, first, last in spans
        )


NO_SUSPECTS: Final = Note({}, 0)

_decoder: Final = msgspec.json.Decoder(Note)


def pack_note(note: Note) -> bytes:
    """Return the record's value."""
    return msgspec.json.encode(note, order="sorted")


def unpack_note(value: bytes) -> Note:
    """Return a note read back; raises `msgspec.DecodeError` for anything that this version did not write."""
    return _decoder.decode(value)


class Suspects:
    """What the last owner's notes say of the records to come."""

    def __init__(self) -> None:
        """Begin without suspicion."""
        self.wary = False
        """Whether the last owner ended without a last checkpoint: then all steps up to the next one are noted."""
        self._note = NO_SUSPECTS

    def recall(self, note: Note) -> None:
        """Take a note read back; the last one counts."""
        self._note = note

    def portions(self, batches: Batches) -> Iterator[Batches]:
        """Yield batches in portions to be taken one after the other; a suspect is one of its own."""
        if not self._note.ranges:
            yield batches
            return
        suspects: list[Batches] = []
        before: list[tuple[TP, Sequence[Incoming]]] = []
        after: list[tuple[TP, Sequence[Incoming]]] = []
        for tp, records in batches:
            first, end = self._note.ranges.get(tp.name, (0, 0))
            groups = (
                [each for each in records if each.offset < first],
                [each for each in records if first <= each.offset < end],
                [each for each in records if each.offset >= max(first, end)],
            )
            suspects += [[(tp, [each])] for each in groups[1]]
            before += [(tp, groups[0])] if groups[0] else []
            after += [(tp, groups[2])] if groups[2] else []
        if before or not (suspects or after):
            yield before
        yield from suspects
        if after:
            yield after

    def note_of(self, portion: Batches, *, saved: bool) -> Note | None:
        """Return what to note before a portion is taken, None where nothing gives reason to.

        `saved`: whether this owner has written a checkpoint.
        """
        is_doubtful = (self.wary and not saved) or self._is_suspect(portion)
        if not portion or not is_doubtful:
            return None
        return Note(ranges_of(portion), self._attempts(portion) + 1)

    def refusal(self, portion: Batches) -> str | None:
        """Return why a portion is to be refused, if it is: a single record that was tried often enough."""
        if self._attempts(portion) < ATTEMPTS_MAX:
            return None
        return f"internal: {self._note.error or 'the process ended'}"

    def _attempts(self, portion: Batches) -> int:
        return self._note.attempts if self._is_suspect(portion) else 0

    def _is_suspect(self, portion: Batches) -> bool:
        return any(
            self._note.ranges.get(tp.name, (0, 0))[0] <= each.offset < self._note.ranges.get(tp.name, (0, 0))[1]
            for tp, records in portion
            for each in records[:1]
        )


def ranges_of(portion: Batches) -> dict[str, tuple[int, int]]:
    """Return the offsets from and up to (exclusive) of a portion, by `topic-partition`."""
    ranges: dict[str, tuple[int, int]] = {}
    for tp, records in portion:
        first, end = ranges.get(tp.name, (records[0].offset, 0))
        ranges[tp.name] = (first, max(end, records[-1].offset + 1))
    return ranges
