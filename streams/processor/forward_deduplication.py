"""Which records sent on by other tasks have arrived: an owner that goes on from a checkpoint sends them on again.

It does so in the order of their offsets, from an earlier one on, so the last offset that arrived tells all.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from streams.processor.decoder import Origin
from streams.runtime.ports import TP


class ForwardDeduplication:
    """The offset after the last record that arrived, by the topic through which it came and where it was consumed."""

    def __init__(self) -> None:
        """Begin with none."""
        self.changed = False
        """Whether anything arrived since this was last set to False."""
        self._next: dict[str, int] = {}

    def is_repeated(self, through: str, origin: Origin) -> bool:
        """Tell whether a record sent on through a topic has arrived before; note that it has now."""
        route = f"{through} {origin.topic}-{origin.partition}"
        if origin.offset < self._next.get(route, 0):
            return True
        self._next[route] = origin.offset + 1
        self.changed = True
        return False

    def forget(self, topics: Collection[str]) -> None:
        """Forget what came from topics that were deleted and created again: others will have their offsets."""
        kept = {route: at for route, at in self._next.items() if TP.parse(route.partition(" ")[2]).topic not in topics}
        self.changed = self.changed or kept != self._next
        self._next = kept

    def dump(self) -> bytes:
        """Return what is known, as kept in a checkpoint."""
        return _ENCODER.encode(self._next)

    def load(self, blob: bytes) -> None:
        """Go on from what a checkpoint kept."""
        self._next = _DECODER.decode(blob)


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(dict[str, int])
