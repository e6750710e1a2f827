"""Where the records lie that are in the dead letters and will be read again: none of them is refused twice."""

from __future__ import annotations

from typing import Final

import msgspec

Place = tuple[str, int, int]
"""Topic, partition, offset: where a record was first consumed."""


class Letters:
    """Records found in the dead letters, until they are met.

    Kept in checkpoints, since a letter can be there whose transaction did not tell how far was read
    (`streams.task.unended`): then a checkpoint may come before its record is met.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.changed = False
        """Whether anything was found or met since this was last set to False."""
        self._places: set[Place] = set()

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._places)

    def found(self, place: Place) -> None:
        """Note a record that was found there."""
        self._places.add(place)
        self.changed = True

    def met(self, place: Place) -> bool:
        """Tell whether a record is there; it is not met again."""
        if place not in self._places:
            return False
        self._places.remove(place)
        self.changed = True
        return True

    def dump(self) -> bytes:
        """Return what is known, as kept in a checkpoint."""
        return _ENCODER.encode(sorted(self._places))

    def load(self, blob: bytes) -> None:
        """Go on from what a checkpoint kept."""
        self._places.update(_DECODER.decode(blob))


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(list[Place])
