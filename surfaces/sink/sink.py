"""Brings the committed records of some topics into a store, each once, however the process ends.

The store keeps positions with its rows, so nothing has to be recognised as a repetition: what was written is never read
again, and what was not written is (surfaces.md, "Reading topics"). No consumer group is involved.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from schemas.errors import Fatal, Unavailable
from streams.runtime.ports import TP
from surfaces.failure_log import FailureLog
from surfaces.sink.ports import Partitions, Polled, Position, Record, Store

RECORDS_MAX: Final = 1_000
"""About the most records in one write."""
WAIT_S: Final = 0.2
"""How long a step waits for records."""
CHECK_INTERVAL_S: Final = 5.0
"""How often a sink without records looks for new partitions and new topics."""
_NOTHING: Final = Polled({})

_logger = logging.getLogger(__name__)


class Sink:
    """Reads all partitions that `partitions` has, from the positions of the store.

    `monotonic_s` is a clock in seconds.
    """

    def __init__(self, partitions: Partitions, store: Store, monotonic_s: Callable[[], float]) -> None:
        self._partitions = partitions
        self._store = store
        self._monotonic_s = monotonic_s
        self._positions: dict[TP, Position] = dict(store.positions())
        self._reading: frozenset[TP] = frozenset()
        self._ended: frozenset[TP] = frozenset()
        self._polled = _NOTHING
        self._checked_s: float | None = None
        self._failure = FailureLog(_logger, "Kafka")

    @property
    def has_caught_up(self) -> bool:
        """Whether every partition has been read to its end at least once since the start."""
        return bool(self._reading) and self._reading <= self._ended

    @property
    def failure(self) -> str:
        """What keeps the latest step from the brokers, empty if nothing does."""
        return self._failure.failure

    async def step(self) -> int:
        """Wait shortly for records, write them, and return how many were written.

        Brokers that do not answer are waited for, with one line in the log. Raises `Fatal` if a partition ends before
        what was read from it, or a record batch cannot be read.
        """
        try:
            written = await self._next()
        except Unavailable as error:
            self._failure.note(f"{error}; asking again")
            await asyncio.sleep(WAIT_S)
            return 0
        self._failure.note("")
        return written

    async def _next(self) -> int:
        if self._polled is _NOTHING:
            self._polled = await self._partitions.poll(RECORDS_MAX, WAIT_S)
        is_due = self._checked_s is None or self._monotonic_s() >= self._checked_s + CHECK_INTERVAL_S
        written = 0
        if self._polled.records or self._polled.out_of_range or is_due:
            written = await self._check_and_write()
            self._checked_s = self._monotonic_s()
        self._ended |= self._polled.ended
        self._polled = _NOTHING
        return written

    async def _check_and_write(self) -> int:
        """Write what was polled, once it is certain which topics it is from.

        Ids are never used twice: what was polled since the last check is from the topic that both checks found. One
        that was created again meanwhile can have records at the same offsets.
        """
        found = await self._partitions.topic_ids()
        same = {tp for tp in self._reading if self._positions[tp].topic_id == found.get(tp)}
        written = self._write(same)
        added = await self._added({tp: topic_id for tp, topic_id in found.items() if tp not in same})
        moved = {tp: await self._after_deleted(tp) for tp in same & self._polled.out_of_range}
        if added or moved:  # kept at once: records that are deleted before they are read will be missed
            self._store.write((), {**added, **moved})
        self._positions |= {**added, **moved}
        if added or moved or found.keys() != self._reading:
            await self._partitions.start({tp: self._positions[tp].offset for tp in found})
            self._say_what_is_read(frozenset(found))
        return written

    def _write(self, same: set[TP]) -> int:
        """Write the records of partitions that are of the same topic as before, and return how many there were."""
        records = [
            Record(
                *(tp, self._positions[tp].topic_id, each.offset, each.timestamp),
                *(each.key, each.value, each.headers, each.original_sizes),
            )
            for tp, fetched in self._polled.records.items()
            if tp in same
            for each in fetched
        ]
        self._polled = self._polled._replace(records={})
        if records:
            positions = {each.tp: Position(each.topic_id, each.offset + 1) for each in records}
            self._store.write(records, positions)
            self._positions |= positions
        return len(records)

    async def _added(self, found: Mapping[TP, str]) -> dict[TP, Position]:
        """Return where to begin with partitions that are new or belong to another topic than before."""
        known = {tp for tp in found if tp in self._positions}
        recreated = {tp for tp in known if self._positions[tp].topic_id != found[tp]}
        for topic in sorted({tp.topic for tp in recreated}):
            _logger.warning("%s was deleted and created again: reading the new topic from its beginning", topic)
        return {
            tp: Position(topic_id, (await self._partitions.bounds(tp))[0])
            for tp, topic_id in found.items()
            if tp not in known or tp in recreated
        }

    async def _after_deleted(self, tp: TP) -> Position:
        """Return where to go on behind records that Kafka has deleted; the line says which will be missing."""
        topic_id, offset = self._positions[tp]
        first, end = await self._partitions.bounds(tp)
        if offset > end:
            raise Fatal(
                f"{tp.name} ends at {end}, but was read up to {offset}: its log was truncated. Restore the topic, or "
                "delete what was made of it"
            )
        if offset < first:
            _logger.warning("%s: offsets %d to %d were deleted before they were read", tp.name, offset, first - 1)
        return Position(topic_id, max(offset, first))

    def _say_what_is_read(self, reading: frozenset[TP]) -> None:
        for names, what in ((reading - self._reading, "reading"), (self._reading - reading, "no more in Kafka:")):
            if names:
                _logger.info("%s %s", what, ", ".join(tp.name for tp in sorted(names)))
        self._reading = reading
