"""Keeps a record from being refused or forwarded twice. Checkpoints contain both indexes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct

from streams.processor.decoder import Origin, RecordId
from streams.runtime.ports import TP


class Refused(Struct, frozen=True, array_like=True):
    """A record in the dead letters, as a checkpoint keeps it; version 0.1 kept no reason."""

    topic: str
    partition: int
    offset: int
    reason: str = ""


class DeadLetterIndex:
    """Records that have a dead letter and will be read again.

    Kept in checkpoints because a dead letter may be committed by a transaction whose progress record was not
    (`streams.runtime.hanging_transactions`): then a checkpoint may come before its record is read.
    """

    def __init__(self) -> None:
        self.changed = False
        """Whether a record was added or removed since this was last set to False."""
        self._reasons: dict[RecordId, str] = {}

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def add(self, record: RecordId, reason: str) -> None:
        """Add a record that has a dead letter with this reason."""
        self._reasons[record] = reason
        self.changed = True

    def pop(self, record: RecordId) -> str | None:
        """Remove a record and return the reason of its dead letter, None if it has none."""
        reason = self._reasons.pop(record, None)
        self.changed |= reason is not None
        return reason

    def forget(self, topics: Collection[str]) -> None:
        """Forget the records of topics that were deleted and created again, since their offsets now name others."""
        kept = {record: reason for record, reason in self._reasons.items() if record[0] not in topics}
        self.changed |= len(kept) < len(self._reasons)
        self._reasons = kept

    def dump(self) -> bytes:
        """Return the index as a checkpoint keeps it."""
        return _ENCODER.encode([Refused(*record, reason) for record, reason in sorted(self._reasons.items())])

    def load(self, blob: bytes) -> None:
        """Add what a checkpoint kept."""
        for each in _REFUSED.decode(blob):
            self._reasons[each.topic, each.partition, each.offset] = each.reason


class ForwardDeduplication:
    """Recognises records that were forwarded before: an owner that resumes from a checkpoint forwards them again.

    Records are forwarded in the order of their offsets, so the last offset seen on each route is enough. A route is the
    internal topic and the partition in which the record was first consumed.
    """

    def __init__(self) -> None:
        self.changed = False
        """Whether a new record was seen since this was last set to False."""
        self._next: dict[str, int] = {}

    def is_duplicate(self, topic: str, origin: Origin) -> bool:
        """Return whether a record was forwarded through a topic before; remember that it was forwarded now."""
        route = f"{topic} {origin.topic}-{origin.partition}"
        if origin.offset < self._next.get(route, 0):
            return True
        self._next[route] = origin.offset + 1
        self.changed = True
        return False

    def forget(self, topics: Collection[str]) -> None:
        """Forget what came from topics that were deleted and created again, since their offsets now name others."""
        kept = {route: at for route, at in self._next.items() if TP.parse(route.partition(" ")[2]).topic not in topics}
        self.changed = self.changed or kept != self._next
        self._next = kept

    def dump(self) -> bytes:
        """Return the routes as a checkpoint keeps them."""
        return _ENCODER.encode(self._next)

    def load(self, blob: bytes) -> None:
        """Resume from what a checkpoint kept."""
        self._next = _ROUTES.decode(blob)


_ENCODER: Final = msgspec.json.Encoder()
_REFUSED: Final = msgspec.json.Decoder(list[Refused])
_ROUTES: Final = msgspec.json.Decoder(dict[str, int])
