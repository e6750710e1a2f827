"""Refuses records: each goes to the dead letters once, whoever owned its partition then."""

from __future__ import annotations

from agents.case.case import NO_LONGER_KEPT
from streams.processor.decoder import Origin
from streams.processor.deduplication import DeadLetterIndex
from streams.processor.dispositions import Dispositions
from streams.processor.outbox import Outbox
from streams.processor.refusal_limit import Refusals
from streams.runtime.ports import TP


class Refusing:
    """Sends records to the dead letters, unless these have them already, and counts them as refused."""

    def __init__(
        self, outbox: Outbox, dead_letters: DeadLetterIndex, refusals: Refusals, dispositions: Dispositions
    ) -> None:
        self._outbox, self._dead_letters = outbox, dead_letters
        self._refusals, self._dispositions = refusals, dispositions

    def refuse(self, tp: TP, origin: Origin, reason: str) -> None:
        """Refuse a record that was consumed from a partition."""
        if not self.is_known(tp, origin):
            self._outbox.add_dead_letter(origin, reason)
            self._count(tp, origin, reason)

    def is_known(self, tp: TP, origin: Origin) -> bool:
        """Return whether a former owner has refused a record, and count it if so."""
        reason = self._dead_letters.pop(origin.record_id)
        if reason is None:
            return False
        self._count(tp, origin, reason)
        return True

    def _count(self, tp: TP, origin: Origin, reason: str) -> None:
        self._dispositions.add(tp, "dead_lettered")
        if reason != NO_LONGER_KEPT:  # a late record does not mean that its producer is broken
            self._refusals.add(tp, self._dispositions.consumed(tp), origin.name)
