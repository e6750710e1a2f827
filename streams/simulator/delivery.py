"""Delivers events: some late, some twice, out of order, and now and then malformed."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streams.simulator.malformed import DEFECTS, corrupt
from streams.simulator.options import SimulatorOptions
from streams.simulator.rng import Rng
from streams.simulator.sim_event import DESK, MINUTE_US, SimEvent

TRANSIT_MEAN_S: Final = 0.6
LATE_MEAN_MIN: Final = 25.0
LATE_MAX_MIN: Final = 360.0
REPEAT_MEAN_S: Final = 90.0
REPEAT_MAX_S: Final = 3_600.0
INDIAN_TIME_SHARE: Final = 0.02


class Delivery(NamedTuple):
    """One line as it arrives; `type` and `key` are what its producer meant, even if the line is malformed.

    `arrive_at` is in microseconds since the epoch and never decreases from one delivery to the next.
    """

    arrive_at: int
    number: int
    type: str
    key: str
    line: bytes


@dataclass(slots=True)
class DeliveryCounts:
    """Counts of delivered lines: by event type, late ones, duplicates, and by defect."""

    by_type: Counter[str] = field(default_factory=Counter)
    late: int = 0
    duplicates: int = 0
    defects: Counter[str] = field(default_factory=Counter)

    @property
    def lines(self) -> int:
        """The number of lines."""
        return self.by_type.total()


def deliver(sim_events: Iterable[SimEvent], options: SimulatorOptions, counts: DeliveryCounts) -> Iterator[Delivery]:
    """Yield the deliveries of events (earliest first) in order of arrival, and count them in `counts`."""
    waiting: list[Delivery] = []
    carrier = _Carrier(options, counts)
    for sim_event in sim_events:
        while waiting and waiting[0].arrive_at <= sim_event.time:
            yield heapq.heappop(waiting)
        for delivery in carrier.carry(sim_event):
            heapq.heappush(waiting, delivery)
    while waiting:
        yield heapq.heappop(waiting)


class _Carrier:
    """Draws how each event is delivered."""

    def __init__(self, options: SimulatorOptions, counts: DeliveryCounts) -> None:
        self._options = options
        self._counts = counts
        self._rng = Rng(options.seed, "delivery")
        self._number = 0

    def carry(self, sim_event: SimEvent) -> Iterator[Delivery]:
        """Yield the delivery of an event, and its duplicate and malformed copy if there are any."""
        rng, options = self._rng, self._options
        arrive_at = sim_event.time + sim_event.delay_us + int(rng.exponential(TRANSIT_MEAN_S) * 1_000_000)
        if rng.chance(options.late_share):
            self._counts.late += 1
            arrive_at += int(min(2 + rng.exponential(LATE_MEAN_MIN), LATE_MAX_MIN) * MINUTE_US)
        indian_time = sim_event.source == DESK or rng.chance(INDIAN_TIME_SHARE)
        yield self._delivery(sim_event, arrive_at, sim_event.line(indian_time=indian_time))
        if rng.chance(options.duplicate_share):
            # sometimes written with the other UTC offset, as by another gateway
            self._counts.duplicates += 1
            repeat_at = arrive_at + self._repeat_us()
            line = sim_event.line(indian_time=indian_time ^ rng.chance(0.3))
            yield self._delivery(sim_event, repeat_at, line)
        if rng.chance(options.malformed_share):
            yield self._malformed(sim_event, arrive_at)

    def _malformed(self, sim_event: SimEvent, arrive_at: int) -> Delivery:
        defect = self._rng.pick(DEFECTS)
        self._counts.defects[defect] += 1
        # a producer sends the event right after a malformed one, but a conflicting event comes later
        at = arrive_at + self._repeat_us() if defect == "conflict" else max(sim_event.time, arrive_at - 1)
        return self._delivery(sim_event, at, corrupt(sim_event, defect, self._rng))

    def _repeat_us(self) -> int:
        return int(min(0.1 + self._rng.exponential(REPEAT_MEAN_S), REPEAT_MAX_S) * 1_000_000)

    def _delivery(self, sim_event: SimEvent, arrive_at: int, line: bytes) -> Delivery:
        self._number += 1
        self._counts.by_type[sim_event.type] += 1
        return Delivery(arrive_at, self._number, sim_event.type, sim_event.subject, line)
