"""Warns about input partitions that are blocked by another producer's open transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from faust.types import TP

from streams.faust_transport.batch import EndOffsets

WARN_AFTER_S: Final = 30.0
"""Longer than most transactions take; some producers keep theirs open for minutes, and then the warning is harmless."""

logger = logging.getLogger("sop.worker")


class BlockedInputs:
    """Logs once when a partition is blocked, and once when it can be read again."""

    def __init__(self) -> None:
        self._since: dict[TP, tuple[int, float]] = {}
        """The last stable offset of each blocked partition, and since when (seconds) it has not moved."""
        self._warned: set[TP] = set()

    def look(self, end_offsets: Mapping[TP, EndOffsets], now_s: float) -> None:
        """Compare the end offsets, as of now (seconds), with those of earlier calls."""
        blocked = {tp: each.stable for tp, each in end_offsets.items() if each.stable < each.last}
        self._since = {
            tp: known if (known := self._since.get(tp)) and known[0] == at else (at, now_s)
            for tp, at in blocked.items()
        }
        for tp, (at, since_s) in self._since.items():
            if now_s - since_s >= WARN_AFTER_S and tp not in self._warned:
                self._warned.add(tp)
                logger.warning(
                    "%s-%d: blocked at offset %d by another producer's open transaction "
                    "(docs/operations.md, When a transaction hangs)",
                    tp.topic,
                    tp.partition,
                    at,
                )
        for tp in [tp for tp in self._warned if self._since.get(tp, (0, now_s))[1] == now_s]:
            self._warned.remove(tp)
            if tp in end_offsets:  # otherwise it is another worker's now
                logger.warning("%s-%d: no longer blocked", tp.topic, tp.partition)
