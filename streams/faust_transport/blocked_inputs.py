"""Tells of inputs that nobody can read on, since another producer has a transaction open there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from faust.types import TP

from streams.faust_transport.batch import Ends

TOLD_AFTER_S: Final = 30.0
"""Longer than most transactions take; some producers keep theirs open for minutes, and it is no more than a line."""

logger = logging.getLogger("sop.worker")


class HeldUp:
    """Tells once of each partition that is held up, and when it is no longer."""

    def __init__(self) -> None:
        """Begin with none."""
        self._since: dict[TP, tuple[int, float]] = {}
        """Up to where can be read, and since when (seconds)."""
        self._told: set[TP] = set()

    def look(self, ends: Mapping[TP, Ends], now_s: float) -> None:
        """Take where partitions end, as of now (seconds)."""
        held = {tp: each.stable for tp, each in ends.items() if each.stable < each.last}
        self._since = {
            tp: known if (known := self._since.get(tp)) and known[0] == at else (at, now_s) for tp, at in held.items()
        }
        for tp, (at, since_s) in self._since.items():
            if now_s - since_s >= TOLD_AFTER_S and tp not in self._told:
                self._told.add(tp)
                logger.warning(
                    "%s-%d: nothing from %d on can be read until the transaction of another producer there has ended "
                    "(docs/operations.md, When a transaction hangs)",
                    tp.topic,
                    tp.partition,
                    at,
                )
        for tp in [tp for tp in self._told if self._since.get(tp, (0, now_s))[1] == now_s]:
            self._told.remove(tp)
            if tp in ends:  # it is somebody else's otherwise
                logger.warning("%s-%d: can be read on", tp.topic, tp.partition)
