"""What a processor tells of an event on its way to a decision, for traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.outputs import OutputMessage
from streams.processor.decoder import DecodedRecord


class Tracer(Protocol):
    """Follows the events of one partition number; a processor without traces has none, and calls nothing."""

    def consumed(self, records: Sequence[DecodedRecord]) -> None:
        """Note that records were applied or refused; what they changed is decided later."""

    def begin_decision(self, case_id: str) -> None:
        """Note that a case is about to be decided."""

    def end_decision(self, messages: Sequence[OutputMessage]) -> None:
        """Note what was decided about that case, to be published next."""

    def published(self) -> None:
        """Note that all that was decided is acknowledged."""
