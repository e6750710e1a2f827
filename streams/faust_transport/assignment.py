"""What one member of a consumer group holds during one generation, and the work under way on it.

Everything that a generation knows lives in one object and dies with it, so nothing of an older generation can
reach a handler. Each partition number has a lane: its batches, of all topics, are handled one after the other, while
lanes do not wait for each other.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from faust.types import TP

from streams.faust_transport.batch import Batch, Handler, OffsetProvider, TransportError


def partial_numbers(tps: Collection[TP], topics: Collection[str]) -> list[int]:
    """Return the partition numbers among `tps` of which some of `topics` lack theirs."""
    numbers = {tp.partition for tp in tps}
    return sorted(number for number in numbers if any(TP(topic, number) not in tps for topic in topics))


class Share:
    """One partition within an assignment: how far it was read, delivered and committed."""

    __slots__ = ("committed", "delivered", "in_flight", "read", "sent", "waiting")

    def __init__(self, start: int) -> None:
        self.read = start  # next offset to come from the broker
        self.delivered = start  # end of the last batch handed to the agent
        self.committed = -1
        self.in_flight = 0
        self.waiting: deque[Batch] = deque()  # cut, but its partition has no room yet
        self.sent: deque[Batch] = deque()  # on their way to the agent


class Assignment:
    """The partitions `tps` of one `generation`, with the handlers' work on them.

    `handlers` maps a topic to who handles its batches. `passed` is told where reading of a partition goes on, when all
    before it is handled. `fail` is told of any fault; `nudge` is called when a partition
    that had no room for more batches has room again.
    """

    def __init__(
        self,
        tps: frozenset[TP],
        generation: int,
        *,
        handlers: Mapping[str, Handler],
        in_flight_max: int,
        passed: Callable[[TP, int], None],
        fail: Callable[[BaseException], None],
        nudge: Callable[[], None],
    ) -> None:
        self.tps = tps
        self.generation = generation
        self.closed = False
        self._handlers = handlers
        self._in_flight_max = in_flight_max
        self._passed = passed
        self._fail = fail
        self._nudge = nudge
        self._shares: dict[TP, Share] = {}
        self._lanes: dict[int, asyncio.Queue[Batch]] = {}
        self._lane_tasks: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None] | None] = set()
        # All that can be in flight for one partition number, one batch set per topic.
        self._lane_max = in_flight_max * max(1, len({tp.topic for tp in tps}))

    @property
    def open(self) -> bool:
        """Whether records may be fetched and delivered: it knows its positions and is not to go yet."""
        return not self.closed and len(self._shares) == len(self.tps)

    def place(self, starts: Mapping[TP, int]) -> None:
        """Begin reading each partition at its offset in `starts`, which has all of them."""
        assert starts.keys() == self.tps
        self._shares = {tp: Share(start) for tp, start in starts.items()}

    def wanted(self, offset_provider: OffsetProvider) -> set[TP]:
        """Return the partitions that can take another batch and of which the keeper wants more."""
        return {
            tp
            for tp, share in self._shares.items()
            if share.in_flight < self._in_flight_max and not share.waiting and offset_provider.wants(tp)
        }

    def accept(self, tp: TP, batches: Iterable[Batch]) -> None:
        """Queue `batches` of `tp`, read from where the last ones ended.

        Raises TransportError when they start before that: then the topic was made anew or lost its end.
        """
        share = self._shares[tp]
        for batch in batches:
            first = batch.records[0].offset
            if first < share.read:
                raise TransportError(
                    f"{tp.topic}[{tp.partition}] went back: reading stood at {share.read}, now {first} comes"
                )
            share.read = batch.next_offset
            share.waiting.append(batch)

    def move_on(self, tp: TP, offset: int) -> None:
        """Note that `tp` holds nothing to be read before `offset`."""
        share = self._shares[tp]
        share.read = max(share.read, offset)
        self._tell(tp, share)

    def due(self) -> Iterator[Batch]:
        """Yield the batches for which there is room; each counts as in flight from then on."""
        for share in self._shares.values():
            while share.waiting and share.in_flight < self._in_flight_max:
                batch = share.waiting.popleft()
                share.in_flight += 1
                share.delivered = batch.next_offset
                share.sent.append(batch)
                yield batch

    def enter(self, batch: Batch) -> None:
        """Put `batch`, as it reached the agent, into its lane.

        Raises TransportError when it is not the one that comes next: one was lost or repeated on the way.
        """
        sent = self._shares[batch.tp].sent
        if not sent or sent.popleft() is not batch:
            raise TransportError(
                f"{batch.tp.topic}[{batch.tp.partition}]: batch at {batch.records[0].offset} came out of turn"
            )
        self._lane(batch.tp.partition).put_nowait(batch)

    def committable(self, offset_provider: OffsetProvider) -> dict[TP, int]:
        """Return the group offsets that may move on: as far as the keeper says, no further than delivered."""
        offsets: dict[TP, int] = {}
        for tp, share in self._shares.items():
            offset = offset_provider.committable(tp)
            if offset is not None and share.committed < (end := min(offset, share.delivered)):
                offsets[tp] = end
        return offsets

    def commit(self, offsets: Mapping[TP, int]) -> None:
        """Note that the group's offsets are now `offsets`."""
        for tp, offset in offsets.items():
            self._shares[tp].committed = offset

    async def close(self, drain_s: float) -> None:
        """Deliver nothing more and wait for handlers at work, up to `drain_s` seconds.

        Raises TransportError when one is not done by then.
        """
        self.closed = True
        for task in self._lane_tasks - self._busy:
            task.cancel()
        if self._lane_tasks:
            _, stuck = await asyncio.wait(self._lane_tasks, timeout=drain_s)
            if stuck:
                raise TransportError(f"handlers of {len(stuck)} partitions were not done within {drain_s:g} s")

    def _tell(self, tp: TP, share: Share) -> None:
        if not share.in_flight and not share.waiting:
            self._passed(tp, share.read)

    def _lane(self, partition: int) -> asyncio.Queue[Batch]:
        lane = self._lanes.get(partition)
        if lane is None:
            lane = self._lanes[partition] = asyncio.Queue(maxsize=self._lane_max)
            task = asyncio.get_running_loop().create_task(self._run_lane(lane), name=f"partition {partition}")
            self._lane_tasks.add(task)
        return lane

    async def _run_lane(self, lane: asyncio.Queue[Batch]) -> None:
        task = asyncio.current_task()
        while not self.closed:
            batch = await lane.get()
            self._busy.add(task)
            try:
                await self._handlers[batch.tp.topic](batch)
            except asyncio.CancelledError:
                if not self.closed:
                    self._fail(TransportError(f"the handler of {batch.tp.topic}[{batch.tp.partition}] was cancelled"))
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, going on would skip the batch
                self._fail(error)
                return
            finally:
                self._busy.discard(task)
            share = self._shares[batch.tp]
            share.in_flight -= 1
            self._tell(batch.tp, share)
            if share.in_flight == self._in_flight_max - 1:
                self._nudge()
