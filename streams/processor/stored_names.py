"""Which names the store may have, so that what it cannot have is known to be new without asking it.

A step saves a round trip for what is new, and what is new does not wait for a store that is away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

import zstandard

SEGMENTS_MAX: Final = 64
"""How many segments there may be; each has 100,000 names. Names beyond them make the last one less selective."""
SEGMENT_BITS: Final = 1 << 20
HASHES: Final = 7
"""How many bits stand for a name: half of a full segment's bits are set, so 1 in 128 of all names seems to be there."""
KEYS: Final = tuple(f"names:{number}" for number in range(SEGMENTS_MAX))
"""The keys of the segments in the store."""


class StoredNames:
    """A Bloom filter over all names that were ever saved, in segments that checkpoints contain.

    Segments fill up one after the other, so a checkpoint writes the last one only.
    """

    def __init__(self) -> None:
        self._segments: list[bytearray] = []
        self._bits_set = 0
        """In the last segment."""
        self._changed: set[int] = set()
        """The numbers of the segments that changed since the last `dump`."""

    def begin(self) -> None:
        """Begin with a store that has nothing."""
        self._segments, self._bits_set = [], 0
        self._append()

    def load(self, segment: bytes) -> None:
        """Begin with the next segment of a checkpoint; without any, every name may be in the store."""
        self._segments.append(bytearray(_decompressor.decompress(segment)))
        self._bits_set = int.from_bytes(self._segments[-1]).bit_count()

    def may_have(self, name: str) -> bool:
        """Return False only if a name was never added; True if that is not known."""
        bits = _bits_of(name)
        return not self._segments or any(_has(segment, bits) for segment in self._segments)

    def add(self, names: Iterable[str]) -> None:
        """Add names that the next checkpoint saves."""
        if not self._segments:
            return
        for name in names:
            if 2 * self._bits_set >= SEGMENT_BITS and len(self._segments) < SEGMENTS_MAX:
                self._append()
            segment = self._segments[-1]
            for byte, bit in _bits_of(name):
                self._bits_set += not segment[byte] & bit
                segment[byte] |= bit
            self._changed.add(len(self._segments) - 1)

    def dump(self) -> Iterator[tuple[str, bytes]]:
        """Yield the segments to which names were added since the last call, by key, as a checkpoint keeps them."""
        for number in sorted(self._changed):
            yield KEYS[number], _compressor.compress(bytes(self._segments[number]))
        self._changed.clear()

    def _append(self) -> None:
        self._changed.add(len(self._segments))
        self._segments.append(bytearray(SEGMENT_BITS // 8))
        self._bits_set = 0


def _bits_of(name: str) -> list[tuple[int, int]]:
    """Return the byte and the bit in it of each hash of a name."""
    digest = int.from_bytes(blake2b(name.encode(), digest_size=16).digest())
    first, step = digest >> 64, (digest & 0xFFFFFFFFFFFFFFFF) | 1
    numbers = ((first + number * step) % SEGMENT_BITS for number in range(HASHES))
    return [(number >> 3, 1 << (number & 7)) for number in numbers]


def _has(segment: bytearray, bits: list[tuple[int, int]]) -> bool:
    return all(segment[byte] & bit for byte, bit in bits)


_compressor: Final = zstandard.ZstdCompressor(level=1)
_decompressor: Final = zstandard.ZstdDecompressor()
