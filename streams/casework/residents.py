"""Which cases and tracks are in memory: loaded when first touched, dropped when there are too many.

One in memory takes eight times what it takes packed, in the store. What cannot be dropped since it is not saved, as
while a new owner catches up, is kept packed where there is too much of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final

import zstandard

from agents.case import Case, pack_case, unpack_case
from agents.track import Track
from streams.ports import Store

CASE = "case:"
PARTNER = "partner:"
SPILLED_AT_ONCE: Final = 500
CASES_PER_TRACK: Final = 8
"""A track of a day's reports takes as much memory as so many cases."""


class Residents:
    """Keeps the agents' dictionaries filled from the store, and knows what has changed since it was saved."""

    def __init__(self, cases: dict[str, Case], tracks: dict[str, Track], store: Store) -> None:
        """Take the dictionaries that the agents work on, and the store behind them."""
        self.spilled_at_once = SPILLED_AT_ONCE
        self._cases = cases
        self._tracks = tracks
        self._store = store
        self._dirty_cases: set[str] = set()
        self._dirty_partners: set[str] = set()
        self._spilled: dict[str, bytes] = {}
        """Cases that are not saved, packed."""
        self._saving: dict[str, bytes] = {}
        """Those of them that are being saved."""
        # A case is half names and repeated ids; a track is numbers, which do not shrink for the time it takes.
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._decompressor = zstandard.ZstdDecompressor()

    @property
    def changed(self) -> bool:
        """Whether something changed since the last `pack`."""
        return bool(self._dirty_cases or self._dirty_partners)

    async def load(self, case_ids: Iterable[str], partner_ids: Iterable[str]) -> list[str]:
        """Bring in those that are saved and not here, in one round trip; return the ids of the cases among them."""
        case_ids = list(case_ids)
        for packed in filter(None, (self._spilled, self._saving)):
            for case_id in case_ids:
                if case_id in packed:
                    self._cases[case_id] = self._unpacked(packed.pop(case_id))
        keys = [CASE + case_id for case_id in case_ids if case_id not in self._cases]
        keys += [PARTNER + partner_id for partner_id in partner_ids if partner_id not in self._tracks]
        if not keys:
            return []
        loaded: list[str] = []
        for key, blob in (await self._store.load(keys)).items():
            if key.startswith(CASE):
                case = self._cases[key.removeprefix(CASE)] = self._unpacked(blob)
                loaded.append(case.case_id)
            else:
                self._tracks[key.removeprefix(PARTNER)] = Track.load(blob)
        return loaded

    def touch(self, case_ids: Collection[str], partner_ids: Collection[str]) -> None:
        """Note what has changed."""
        self._dirty_cases.update(case_ids)
        self._dirty_partners.update(partner_ids)
        for case_id in sorted(case_ids):
            self._cases[case_id] = self._cases.pop(case_id)  # to the end: trimming begins at the front
        for partner_id in sorted(partner_ids):
            self._tracks[partner_id] = self._tracks.pop(partner_id)

    def pack(self) -> tuple[dict[str, bytes], Collection[str]]:
        """Return what changed as blobs by key, and the ids of the cases among it; from here on it is clean."""
        cases, partners = self._dirty_cases, self._dirty_partners
        blobs = {CASE + case_id: self._spilled.get(case_id) or self._packed(case_id) for case_id in cases}
        blobs |= {PARTNER + partner_id: self._tracks[partner_id].dump() for partner_id in partners}
        self._dirty_cases, self._dirty_partners = set(), set()
        self._saving, self._spilled = self._spilled, {}
        return blobs, cases

    def spill(self, residents_max: int, wanted: Collection[str]) -> None:
        """Pack what is not saved, nor wanted now, and was left alone the longest, where there is far too much of it."""
        unsaved = len(self._dirty_cases) - len(self._spilled)
        if unsaved < residents_max + self.spilled_at_once:
            return
        packable = (each for each in self._cases if each in self._dirty_cases and each not in wanted)
        for case_id in list(islice(packable, unsaved - residents_max)):
            self._spilled[case_id] = self._packed(case_id)
            del self._cases[case_id]

    def trim(self, residents_max: int) -> list[str]:
        """Drop what is clean and was left alone the longest; call when saved. Return the ids of the cases dropped.

        So many cases are left, and an eighth as many tracks, which weigh the more.
        """
        dropped = [*self._saving, *_trim(self._cases, self._dirty_cases, residents_max)]
        self._saving.clear()
        _trim(self._tracks, self._dirty_partners, residents_max // CASES_PER_TRACK)
        return dropped

    def _packed(self, case_id: str) -> bytes:
        return self._compressor.compress(pack_case(self._cases[case_id]))

    def _unpacked(self, blob: bytes) -> Case:
        return unpack_case(self._decompressor.decompress(blob))


def _trim(resident: dict[str, Case] | dict[str, Track], dirty: set[str], residents_max: int) -> list[str]:
    excess = len(resident) - residents_max
    if excess <= 0:
        return []
    dropped = list(islice((key for key in resident if key not in dirty), excess))
    for key in dropped:
        del resident[key]
    return dropped
