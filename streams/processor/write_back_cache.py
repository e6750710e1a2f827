"""A write-back cache: what changed stays until it is saved, packed where it is too much; what is clean may go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, MutableMapping
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from streams.runtime.snapshot import Snapshot

T = TypeVar("T")


class Format(NamedTuple, Generic[T]):
    """How an object is written to the store and read from it."""

    pack: Callable[[T], bytes]
    unpack: Callable[[bytes], T]


class WriteBackCache(Generic[T]):
    """Objects of one kind by id: in memory, the longest left alone first; packed, since not saved; being saved."""

    def __init__(self, resident: dict[str, T], form: Format[T], prefix: str) -> None:
        """Take the dictionary that others work on, how what is in it is written, and what precedes ids in keys."""
        self.dirty: set[str] = set()
        """Those that changed since the last `freeze`."""
        self.snapshot = Snapshot(resident, prefix.__add__, form.pack)
        self._resident, self._form, self._prefix = resident, form, prefix
        self._spilled: dict[str, bytes] = {}
        self._saving: dict[str, bytes] = {}
        self._gone: set[str] = set()
        self._going: set[str] = set()
        """Those that were let go, and are in the store until that is saved; those of which it is being saved."""

    @property
    def changed(self) -> bool:
        """Whether something changed or was let go since the last `freeze`."""
        return bool(self.dirty or self._gone)

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Unpack those that are packed; return those that are not here."""
        absent = [each for each in ids if each not in self._resident]
        for packed in filter(None, (self._spilled, self._saving)):
            for each in absent:
                if each in packed:
                    self.add(each, packed.pop(each))
        gone = self._gone | self._going
        return [each for each in absent if each not in self._resident and each not in gone]

    def add(self, each: str, blob: bytes) -> None:
        """Take in one that was loaded."""
        self._resident[each] = self._form.unpack(blob)

    def touch(self, ids: Collection[str]) -> None:
        """Note what has changed."""
        self.dirty.update(ids)
        self._gone.difference_update(ids)
        for each in sorted(ids):
            self._resident[each] = self._resident.pop(each)  # to the end: trimming begins at the front

    def remove(self, each: str) -> None:
        """Let go of one that is in memory; it leaves the store with the next save."""
        self.snapshot.before_change([each])
        del self._resident[each]
        self.dirty.discard(each)
        self._gone.add(each)

    def freeze(self, blobs: MutableMapping[str, bytes | None]) -> None:
        """Begin a snapshot of what changed, as blobs by key; from here on it is clean."""
        dirty, self.dirty = self.dirty, set()
        self._saving, self._spilled = self._spilled, {}
        self._going, self._gone = self._gone, set()
        blobs.update((self._prefix + each, None) for each in self._going)
        blobs.update((self._prefix + each, blob) for each, blob in self._saving.items())
        self.snapshot.begin(dirty.difference(self._saving), blobs)

    def spill(self, resident_max: int, at_once: int, wanted: Collection[str]) -> None:
        """Pack of what is not saved, nor wanted now, all but so many, where there are that many more of it."""
        unsaved = len(self.dirty) - len(self._spilled)
        if unsaved < resident_max + at_once:
            return
        packable = (each for each in self._resident if each in self.dirty and each not in wanted)
        chosen = list(islice(packable, unsaved - resident_max))
        self.snapshot.before_change(chosen)
        for each in chosen:
            self._spilled[each] = self._form.pack(self._resident.pop(each))

    def trim(self, resident_max: int, first: Collection[str] = ()) -> list[str]:
        """Drop of what is saved some ids first, then all but so many in memory; return the ids of what was dropped."""
        unwanted = [each for each in first if each in self._resident and each not in self.dirty]
        for each in unwanted:
            del self._resident[each]
        excess = max(len(self._resident) - resident_max, 0)
        dropped = list(islice((each for each in self._resident if each not in self.dirty), excess))
        for each in dropped:
            del self._resident[each]
        dropped[:0] = (*unwanted, *self._saving)
        self._saving.clear()
        self._going.clear()
        return dropped
