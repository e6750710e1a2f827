"""Which cases and tracks are in memory: loaded when first touched, dropped when there are too many.

One in memory takes eight times what it takes packed, in the store. What cannot be dropped since it is not saved, as
while a new owner catches up, is kept packed where there is too much of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Final

import zstandard

from agents.case.case import Case, pack_case, pack_departed_case, unpack_case, unpack_departed_case
from agents.presence.track import Track
from schemas.errors import StoreLost
from streams.processor.write_back_cache import Format, WriteBackCache
from streams.runtime.ports import Store

CASE = "case:"
PARTNER = "partner:"
DEPARTED: Final = b"\x00"
"""What the blob of a departed case begins with; a compressed one never does."""
SPILLED_AT_ONCE: Final = 500
CASES_PER_TRACK: Final = 8
"""A track of a day's reports takes as much memory as so many cases."""


class StateCache:
    """Keeps the agents' dictionaries filled from the store, and knows what has changed since it was saved."""

    def __init__(self, cases: dict[str, Case], tracks: dict[str, Track], store: Store) -> None:
        """Take the dictionaries that the agents work on, and the store behind them."""
        self.spilled_at_once = SPILLED_AT_ONCE
        self._store = store
        self._cases = WriteBackCache(cases, _case_format(), CASE)
        # not compressed: a track is numbers, which do not shrink for the time it takes
        self._tracks = WriteBackCache(tracks, Format(Track.dump, Track.load), PARTNER)

    @property
    def changed(self) -> bool:
        """Whether something changed since the last `freeze`."""
        return self._cases.changed or self._tracks.changed

    async def load(self, case_ids: Collection[str], partner_ids: Collection[str]) -> list[str]:
        """Bring in those that are saved and not here, in one round trip; return the ids of the cases among them.

        From now on they may change. Raises `StoreLost` where what is saved cannot be read.
        """
        self._cases.snapshot.before_change(case_ids)
        self._tracks.snapshot.before_change(partner_ids)
        keys = [CASE + each for each in self._cases.missing(case_ids)]
        keys += [PARTNER + each for each in self._tracks.missing(partner_ids)]
        if not keys:
            return []
        loaded: list[str] = []
        for key, blob in (await self._store.load(keys)).items():
            with readable(key):
                if key.startswith(CASE):
                    loaded.append(key.removeprefix(CASE))
                    self._cases.add(loaded[-1], blob)
                else:
                    self._tracks.add(key.removeprefix(PARTNER), blob)
        return loaded

    def touch(self, case_ids: Collection[str], partner_ids: Collection[str]) -> None:
        """Note what has changed."""
        self._cases.touch(case_ids)
        self._tracks.touch(partner_ids)

    def remove_case(self, case_id: str) -> None:
        """Let go of a case that is in memory, for good."""
        self._cases.remove(case_id)

    def remove_track(self, partner_id: str) -> None:
        """Let go of a track that is in memory, for good."""
        self._tracks.remove(partner_id)

    def freeze(self, blobs: MutableMapping[str, bytes | None]) -> Collection[str]:
        """Begin a snapshot of what changed, as blobs by key (None: gone); return the ids of the cases that remain."""
        case_ids = self._cases.dirty
        self._cases.freeze(blobs)
        self._tracks.freeze(blobs)
        return case_ids

    def pack(self, count: int) -> bool:
        """Pack so many more of what is frozen; return whether all is packed."""
        snapshots = (self._cases.snapshot, self._tracks.snapshot)
        for snapshot in snapshots:
            count -= snapshot.advance(count)
        return all(snapshot.complete for snapshot in snapshots)

    def spill(self, cached_cases_max: int, case_ids: Collection[str], partner_ids: Collection[str]) -> None:
        """Pack what is not saved, nor wanted now, and was left alone the longest, where there is far too much of it."""
        self._cases.spill(cached_cases_max, self.spilled_at_once, case_ids)
        self._tracks.spill(cached_cases_max // CASES_PER_TRACK, self.spilled_at_once, partner_ids)

    def trim(self, cached_cases_max: int, departed: Collection[str] = ()) -> list[str]:
        """Drop what is clean: cases that are departed, then what was left alone the longest; call when saved.

        Returns the ids of the cases dropped. So many cases are left, and an eighth as many tracks, which weigh more.
        """
        self._tracks.trim(cached_cases_max // CASES_PER_TRACK)
        return self._cases.trim(cached_cases_max, departed)


@contextmanager
def readable(key: str) -> Iterator[None]:
    """Have whatever is raised on reading what a store has by a key be the store's fault, and no record's."""
    try:
        yield
    except Exception as error:
        told = f"{key} cannot be read as the store has it ({type(error).__name__})"
        raise StoreLost(f"{told}: empty the store, and all is made again from Kafka") from error


def _case_format() -> Format[Case]:
    """Compressed: a case is half names and repeated ids. What remains of a departed one is too little for that."""
    compressor, decompressor = zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()

    def pack(case: Case) -> bytes:
        if case.is_departed:
            return DEPARTED + pack_departed_case(case)
        # a copy: what the compressor returns holds on to as much memory as the worst case would have taken
        return bytes(memoryview(compressor.compress(pack_case(case))))

    def unpack(blob: bytes) -> Case:
        if blob.startswith(DEPARTED):
            return unpack_departed_case(blob.removeprefix(DEPARTED))
        return unpack_case(decompressor.decompress(blob))

    return Format(pack, unpack)
