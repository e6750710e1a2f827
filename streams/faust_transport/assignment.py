"""The partitions that one member of a consumer group reads during one generation, and its batches in flight.

All state of a generation is in one object and ends with it, so no batch of an older generation reaches a handler.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

from faust.types import TP

from streams.faust_transport.batch import Batch, BatchOptions, Handler, OffsetProvider, TransportError, split
from streams.kafka.record_batches import Record


def partial_numbers(tps: Collection[TP], topics: Collection[str]) -> list[int]:
    """Return the partition numbers in `tps` that are not assigned for all of `topics`."""
    numbers = {tp.partition for tp in tps}
    return sorted(number for number in numbers if any(TP(topic, number) not in tps for topic in topics))


class _PartitionState:
    """How far one partition has been read, handed to the agent and committed."""

    __slots__ = ("committed", "delivered", "in_flight", "position", "with_agent")

    def __init__(self, start: int) -> None:
        self.position = start  # next offset to fetch
        self.delivered = start  # end of the last batch that was sent to the agent
        self.committed = -1
        self.with_agent: deque[Batch] = deque()  # on the way to the agent, in order
        self.in_flight: set[Batch] = set()  # not done yet


class Assignment:
    """The partitions `tps` of one `generation`.

    `on_position` is the offset provider's. `fail` receives any error. `wake_up` is called when a partition may be
    fetched again.
    """

    def __init__(
        self,
        tps: frozenset[TP],
        generation: int,
        *,
        options: BatchOptions,
        on_position: Callable[[TP, int], None],
        fail: Callable[[BaseException], None],
        wake_up: Callable[[], None],
    ) -> None:
        self.tps = tps
        self.generation = generation
        self.closed = False
        """Whether it is revoked: nothing is delivered any more."""
        self._options = options
        self._on_position = on_position
        self._fail = fail
        self._wake_up = wake_up
        self._partitions: dict[TP, _PartitionState] = {}

    @property
    def is_open(self) -> bool:
        """Whether records may be fetched and delivered: positions are set and it is not revoked."""
        return not self.closed and len(self._partitions) == len(self.tps)

    def seek(self, starts: Mapping[TP, int]) -> None:
        """Start reading each partition at its offset in `starts`."""
        assert starts.keys() == self.tps
        self._partitions = {tp: _PartitionState(start) for tp, start in starts.items()}

    def fetchable(self, offset_provider: OffsetProvider) -> set[TP]:
        """Return the partitions that have room for another batch and of which the offset provider wants more."""
        return {
            tp
            for tp, state in self._partitions.items()
            if len(state.in_flight) < self._options.in_flight_max and offset_provider.wants_more(tp)
        }

    def deliver(self, tp: TP, records: Sequence[Record], position: int) -> list[Batch]:
        """Return `records` of `tp`, after which reading continues at `position`, as batches in flight.

        Raises TransportError when they start before the last position: then the topic was created again, or its log
        lost its end.
        """
        state = self._partitions[tp]
        if (first := records[0].offset) < state.position:
            raise TransportError(
                f"{tp.topic}[{tp.partition}] went back: the position was {state.position}, the next record has {first}"
            )
        batches = list(split(tp, records, position, self, self._options))
        state.position = state.delivered = position
        state.with_agent.extend(batches)
        state.in_flight.update(batches)
        return batches

    def advance(self, tp: TP, offset: int) -> None:
        """Note that `tp` has no records before `offset` that are still to be fetched."""
        state = self._partitions[tp]
        state.position = max(state.position, offset)
        self._report_position(tp, state)

    def dispatch(self, batch: Batch, handler: Handler) -> None:
        """Have `handler` take `batch`, which an agent received; drop it when the assignment is revoked.

        A batch that is not the next one of its partition is an error: another one was lost or repeated on the way.
        """
        if self.closed:
            return
        state = self._partitions[batch.tp]
        try:
            if not state.with_agent or state.with_agent.popleft() is not batch:
                first = batch.records[0].offset
                raise TransportError(f"{batch.tp.topic}[{batch.tp.partition}]: batch at {first} came out of order")
            handler(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, to go on would skip the batch
            self._fail(error)
            return
        self._report_position(batch.tp, state)

    def done(self, batch: Batch) -> None:
        """Make room for another batch of the same partition."""
        state = self._partitions[batch.tp]
        was_full = len(state.in_flight) >= self._options.in_flight_max
        state.in_flight.discard(batch)
        if was_full and len(state.in_flight) < self._options.in_flight_max:
            self._wake_up()

    def committable(self, offset_provider: OffsetProvider) -> dict[TP, int]:
        """Return the group offsets that may advance: as far as the provider allows and batches were delivered."""
        offsets: dict[TP, int] = {}
        for tp, state in self._partitions.items():
            offset = offset_provider.committable(tp)
            if offset is not None and state.committed < (end := min(offset, state.delivered)):
                offsets[tp] = end
        return offsets

    def commit(self, offsets: Mapping[TP, int]) -> None:
        """Note that the group's offsets are now `offsets`."""
        for tp, offset in offsets.items():
            self._partitions[tp].committed = offset

    def _report_position(self, tp: TP, state: _PartitionState) -> None:
        if not state.with_agent:
            self._on_position(tp, state.position)
