"""Which records are in the dead letters and will be read again: none of them is refused twice."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct

Place = tuple[str, int, int]
"""Topic, partition, offset: where a record was first consumed."""


class Refused(Struct, frozen=True, array_like=True):
    """A record in the dead letters, as a checkpoint keeps it, and why it is there (empty in those of version 0.1)."""

    topic: str
    partition: int
    offset: int
    reason: str = ""


class DeadLetterIndex:
    """Records found in the dead letters, until they are met.

    Kept in checkpoints, since a letter can be there whose transaction did not tell how far was read
    (`streams.runtime.hanging_transactions`): then a checkpoint may come before its record is met.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.changed = False
        """Whether anything was found or met since this was last set to False."""
        self._reasons: dict[Place, str] = {}

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._reasons)

    def found(self, place: Place, reason: str) -> None:
        """Note a record that was found there, and why it was refused."""
        self._reasons[place] = reason
        self.changed = True

    def met(self, place: Place) -> str | None:
        """Return why a record was refused that is there, None if it is not; it is not met again."""
        reason = self._reasons.pop(place, None)
        self.changed |= reason is not None
        return reason

    def forget(self, topics: Collection[str]) -> None:
        """Forget the records of topics that were deleted and created again: others will have their offsets."""
        kept = {place: reason for place, reason in self._reasons.items() if place[0] not in topics}
        self.changed |= len(kept) < len(self._reasons)
        self._reasons = kept

    def dump(self) -> bytes:
        """Return what is known, as kept in a checkpoint."""
        return _ENCODER.encode([Refused(*place, reason) for place, reason in sorted(self._reasons.items())])

    def load(self, blob: bytes) -> None:
        """Go on from what a checkpoint kept."""
        for each in _DECODER.decode(blob):
            self._reasons[each.topic, each.partition, each.offset] = each.reason


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(list[Refused])
