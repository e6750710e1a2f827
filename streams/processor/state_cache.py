"""Keeps cases, tracks and watches in memory: loads them when a record needs them, evicts them when they are too many.

An unpacked case takes eight times the memory of a packed one. What is not saved yet cannot be evicted, for example
while a new owner catches up, so it is kept packed when there is too much of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Final

import zstandard

from agents.anomaly_agent import Watch
from agents.case.case import Case
from agents.case_state import pack_case, pack_departed_case, unpack_case, unpack_departed_case
from agents.presence.track import Track
from agents.watch_state import pack_watch, unpack_watch
from schemas.errors import StoreLost
from streams.processor.stored_names import StoredNames
from streams.processor.subject import CASE, PARTNER, WATCH, Subject, Subjects, case_name, partner_name, watch_name
from streams.processor.write_back_cache import Format, WriteBackCache
from streams.runtime.ports import Store

DEPARTED: Final = b"\x00"
"""First byte of a departed case's blob; a compressed blob never starts with it."""
PACKING_SLACK: Final = 500
CASES_PER_TRACK: Final = 8
"""A track with a day's reports takes as much memory as this many cases. Most watches are far smaller."""


class StateCache:
    """Fills the agents' dictionaries from the store, and knows what changed since it was saved."""

    def __init__(
        self, cases: dict[str, Case], tracks: dict[str, Track], watches: dict[str, Watch], store: Store
    ) -> None:
        self.packing_slack = PACKING_SLACK
        self.departed: set[str] = set()
        """Ids of the cases in memory that have departed."""
        self.names = StoredNames()
        """What the store may have."""
        self._store = store
        self._new: set[str] = set()
        """Names that are known not to be in the store, of objects that may come to be."""
        self._objects = cases, tracks, watches
        self._loaded_cases = cases
        self._cases = WriteBackCache(cases, _case_format(), case_name)
        # Tracks are numbers: compression would cost time and save little.
        self._tracks = WriteBackCache(tracks, Format(Track.dump, Track.load), partner_name)
        self._watches = WriteBackCache(watches, Format(pack_watch, unpack_watch), watch_name)

    @property
    def changed(self) -> bool:
        """Whether anything changed since the last `freeze`."""
        return self._cases.changed or self._tracks.changed or self._watches.changed

    async def load(self, wanted: Subjects) -> list[str]:
        """Load the subjects that are saved and not in memory, in one round trip, so that they may be changed.

        Returns the ids of the loaded cases that have not departed. Raises `StoreLost` if a blob cannot be read, and
        `Unavailable`, with nothing loaded, if the store does not answer.
        """
        self._cases.snapshot.before_change(wanted.cases)
        self._tracks.snapshot.before_change(wanted.partners)
        self._watches.snapshot.before_change(wanted.watches)
        keys = self.absent(wanted).names()
        if not keys:
            return []
        loaded: list[str] = []
        add = {CASE: self._cases.add, PARTNER: self._tracks.add, WATCH: self._watches.add}
        for key, blob in (await self._store.load(keys)).items():
            subject = Subject.parse(key)
            with readable(key):
                add[subject.kind](subject.id, blob)
            if subject.kind == CASE:
                is_departed = self._loaded_cases[subject.id].is_departed
                (self.departed.add if is_departed else loaded.append)(subject.id)
        return loaded

    def case_ids(self) -> list[str]:
        """Return the ids of all cases in memory, packed ones too."""
        return self._cases.ids()

    async def read_cases(self, keys: Sequence[str]) -> list[Case]:
        """Return saved cases, without keeping them in memory; raises as `load` does."""
        cases: list[Case] = []
        for key, blob in (await self._store.load(keys)).items():
            with readable(key):
                cases.append(self._cases.unpack(blob))
        return cases

    def in_memory(self, subjects: Subjects) -> Subjects:
        """Return those that are in memory, ready."""
        cases, tracks, watches = self._objects
        return Subjects(
            subjects.cases & cases.keys(), subjects.partners & tracks.keys(), subjects.watches & watches.keys()
        )

    def absent(self, wanted: Subjects) -> Subjects:
        """Return the subjects that are not in memory and may be in the store."""
        missing = Subjects(
            set(self._cases.missing(wanted.cases)),
            set(self._tracks.missing(wanted.partners)),
            set(self._watches.missing(wanted.watches)),
        )
        if not missing:
            return missing
        new = {name for name in missing.names() if not self.names.may_have(name)}
        self._new |= new
        return missing - Subjects.parse(new)

    def mark_dirty(self, changed: Subjects) -> None:
        """Mark subjects as changed."""
        self._cases.mark_dirty(changed.cases)
        self._tracks.mark_dirty(changed.partners)
        self._watches.mark_dirty(changed.watches)

    def remove_case(self, case_id: str) -> None:
        """Remove a case that is in memory, from the store too."""
        self._cases.remove(case_id)
        self.departed.discard(case_id)

    def remove_track(self, partner_id: str) -> None:
        """Remove a track that is in memory, from the store too."""
        self._tracks.remove(partner_id)

    def remove_watch(self, watch: str) -> None:
        """Remove a watch that is in memory, from the store too."""
        self._watches.remove(watch)

    def freeze(self, blobs: MutableMapping[str, bytes | None]) -> Collection[str]:
        """Begin a snapshot of what changed, as blobs by key (None: removed); return the ids of its cases."""
        case_ids = self._cases.dirty
        self.names.add(self._new.intersection(Subjects(case_ids, self._tracks.dirty, self._watches.dirty).names()))
        kept = self.in_memory(Subjects.parse(self._new)).names()
        self._new = {each for each in kept if not self.names.may_have(each)}
        blobs.update(self.names.dump())
        self._cases.freeze(blobs)
        self._tracks.freeze(blobs)
        self._watches.freeze(blobs)
        return case_ids

    def pack(self, count: int) -> bool:
        """Pack up to `count` more objects of the snapshot; return whether it is complete."""
        snapshots = (self._cases.snapshot, self._tracks.snapshot, self._watches.snapshot)
        for snapshot in snapshots:
            count -= snapshot.advance(count)
        return all(snapshot.complete for snapshot in snapshots)

    def pack_dirty(self, cached_cases_max: int, in_use: Subjects) -> None:
        """Pack the least recently changed dirty objects if there are far too many; those in use stay unpacked."""
        self._cases.pack_dirty(cached_cases_max, self.packing_slack, in_use.cases)
        self._tracks.pack_dirty(cached_cases_max // CASES_PER_TRACK, self.packing_slack, in_use.partners)
        self._watches.pack_dirty(cached_cases_max, self.packing_slack, in_use.watches)

    def evict(self, cached_cases_max: int) -> list[str]:
        """Drop clean objects: departed cases, then the least recently changed; return the ids of the dropped cases.

        Leaves `cached_cases_max` cases, as many watches and an eighth as many tracks. Call it when all frozen is saved.
        """
        self._tracks.evict(cached_cases_max // CASES_PER_TRACK)
        self._watches.evict(cached_cases_max)
        dropped = self._cases.evict(cached_cases_max, self.departed)
        self.departed &= self._loaded_cases.keys()
        return dropped


@contextmanager
def readable(key: str) -> Iterator[None]:
    """Raise `StoreLost` for any error in reading a stored value: the store is to blame, and no record is."""
    try:
        yield
    except Exception as error:
        raise StoreLost(
            f"{key}: the stored value cannot be read ({type(error).__name__}); "
            "empty the store, and the state is rebuilt from Kafka"
        ) from error


def _case_format() -> Format[Case]:
    """Return the format of cases: compressed, since half of a case is names and repeated ids.

    A departed case is too small for compression to help.
    """
    compressor, decompressor = zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()

    def pack(case: Case) -> bytes:
        if case.is_departed:
            return DEPARTED + pack_departed_case(case)
        # Copied, because the compressor's result holds on to a buffer of the worst case's size.
        return bytes(memoryview(compressor.compress(pack_case(case))))

    def unpack(blob: bytes) -> Case:
        if blob.startswith(DEPARTED):
            return unpack_departed_case(blob.removeprefix(DEPARTED))
        return unpack_case(decompressor.decompress(blob))

    return Format(pack, unpack)
