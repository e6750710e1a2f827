"""A Faust transport that hands agents whole batches of one partition, at positions that a keeper decides.

Written against faust-streaming 0.15.3 and aiokafka 0.14.0, whose internals it uses; both are pinned. What differs
from Faust's own Kafka transport:

- A batch travels as one Faust message, so its machinery of tasks, queues and sensors runs once per batch.
- Reading starts at the keeper's positions, not at the group's offsets. These only follow the keeper, for others to
  see; Faust's acknowledgements, which also count failed work as done, decide nothing.
- Only committed records are read, and partition n of every topic goes to the same member. Faust takes the
  round-robin assignor where an app has no tables, which does not keep them together; the range assignor does as long
  as all topics have the same number of partitions and all members read the same topics. Others are kept out of the
  group (`streams.faust_transport.membership`), and a number that comes without some topic is refused.
- Fetching is bound to a generation of the group: records are taken out of the client only while it is the current
  one and after its positions were set, in one step of the client's thread.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from aiokafka.errors import ConsumerStoppedError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as kafka
from faust.types import TP, ConsumerMessage
from mode import ServiceT

from streams.faust_transport.app import BatchApp
from streams.faust_transport.assignment import Assignment
from streams.faust_transport.batch import Batch, Ends, TransportError, cut
from streams.faust_transport.client import POLL_S, BatchConsumerThread, Taken
from streams.faust_transport.membership import Refusal
from streams.faust_transport.missing_offsets import go_on_behind


class BatchConsumer(kafka.Consumer):
    """Moves batches from the client's thread to the agents; owns the current assignment."""

    app: BatchApp
    _thread: BatchConsumerThread
    _assignment: Assignment | None = None
    _placing: asyncio.Task[None] | None = None
    _failed = False
    _changed: asyncio.Event
    _letting_go: asyncio.Lock

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._changed = asyncio.Event()
        self._letting_go = asyncio.Lock()
        self.app.enter = self.enter

    @property
    def at_rest(self) -> bool:
        """Whether nothing is assigned, all that was having been let go in good order."""
        return self._assignment is None and not self._failed

    def ends(self) -> Mapping[TP, Ends]:
        """Return where the partitions that are assigned end, as far as fetches told."""
        return self._thread.ends()

    def refusal(self) -> Refusal | None:
        """Return why there is no membership of a stable group, None where there is."""
        return self._thread.refusal()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def enter(self, batch: Batch) -> None:
        """Have `batch`, as an agent received it, handled; one of an older generation is dropped."""
        assignment = self._assignment
        if assignment is None or assignment.closed or assignment.generation != batch.generation:
            return
        try:
            assignment.enter(batch)
        except TransportError as error:
            self._fail(error)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take over `assigned`. Positions are set beside it: the group waits for this call, and heartbeats too."""
        await super().on_partitions_assigned(assigned, generation_id)
        if self.should_stop or self.app.should_stop:
            return
        self._assignment = Assignment(
            frozenset(assigned),
            generation_id,
            handlers=self.app.handlers,
            in_flight_max=self.app.options.in_flight_max,
            passed=self.app.offset_provider.passed,
            fail=self._fail,
            nudge=self._nudge,
        )
        self._placing = asyncio.create_task(self._place(self._assignment))

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let go of everything that is assigned, of which the keeper hears before the group does."""
        await self.release()
        await super().on_partitions_revoked(revoked)

    async def release(self) -> None:
        """Deliver nothing more, wait for handlers at work, have the keeper let go, commit; harmless when done."""
        async with self._letting_go:
            assignment = self._assignment
            if assignment is None:
                return
            try:
                await self._let_go(assignment)
            except Exception as error:  # noqa: BLE001 - whatever it is, what was done is not safely recorded
                self._fail(error)
            self._assignment = None

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Commit the group's offsets as far as the keeper allows, whatever Faust holds for acknowledged."""
        assignment = self._assignment
        if assignment is None or self._failed:
            return False
        offsets = assignment.committable(self.app.offset_provider)
        if not offsets or not await self._commit(offsets):
            return False
        assignment.commit(offsets)
        self.app.monitor.on_tp_commit(offsets)
        return True

    async def perform_seek(self) -> None:
        """Do nothing where Faust would go to the group's offsets: positions are the keeper's."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust would judge progress by its own acknowledgements."""

    async def _place(self, assignment: Assignment) -> None:
        try:
            await self._thread.call_thread(self._thread.refuse_partial, assignment.tps)
            starts = await self.app.offset_provider.assigned(assignment.tps)
            if not starts.keys() <= assignment.tps:
                raise TransportError(f"positions for partitions not assigned: {sorted(starts.keys() - assignment.tps)}")
            placed = await self._thread.call_thread(
                self._thread.place, assignment.generation, assignment.tps, dict(starts)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no position to read from
            self._fail(error)
            return
        if placed is not None:
            assignment.place(placed)
            self._nudge()

    async def _let_go(self, assignment: Assignment) -> None:
        options = self.app.options
        assignment.closed = True
        self._nudge()
        if self._placing is not None:
            self._placing.cancel()
            _, going_on = await asyncio.wait([self._placing], timeout=options.release_s)
            if going_on:
                raise TransportError(f"taking over partitions did not end within {options.release_s:g} s")
        await assignment.close(options.drain_s)
        if self._failed:
            return
        try:
            await asyncio.wait_for(self.app.offset_provider.revoked(assignment.tps), options.release_s)
        except TimeoutError as error:
            raise TransportError(f"partitions were not let go within {options.release_s:g} s") from error
        await self.force_commit()

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Deliver batches until the worker stops; run by Faust's fetcher service."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                assignment = self._assignment
                if assignment is None or not assignment.open or self._failed:
                    await self._wait_for_change()
                else:
                    await self._deliver_some(assignment)
        except asyncio.CancelledError:
            # Faust takes it for a crash when the group happens to be rebalancing, which it is when others stop too.
            if not fetcher.should_stop:
                raise
        except ConsumerStoppedError:
            if not self.app.should_stop:
                raise
        except Exception as error:  # noqa: BLE001 - whatever it is, reading has ended
            self._fail(error)

    async def _deliver_some(self, assignment: Assignment) -> None:
        for batch in assignment.due():
            await self.callback(self._message(batch))
        wanted = assignment.wanted(self.app.offset_provider)
        if not wanted:
            await self._wait_for_change()
            return
        records_max = self.app.conf.broker_max_poll_records or self.app.options.records_max
        try:
            taken: Taken = await self._thread.call_thread(self._thread.take, assignment.generation, wanted, records_max)
        except OffsetOutOfRangeError as error:
            await go_on_behind(self._thread, assignment, self.app.offset_provider, error.args[0])
            return
        if assignment.closed:
            return  # whoever gets these partitions reads them again, from the keeper's positions
        for tp, (records, position) in taken.items():
            if records:
                assignment.accept(tp, cut(tp, records, position, assignment.generation, self.app.options))
            else:
                assignment.move_on(tp, position)

    def _message(self, batch: Batch) -> ConsumerMessage:
        last = batch.records[-1]
        return ConsumerMessage(
            batch.tp.topic,
            batch.tp.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
            None,
            None,
            cast(Any, batch),
            None,
            tp=batch.tp,
            generation_id=batch.generation,
        )

    def _nudge(self) -> None:
        self._changed.set()
        self._thread.nudge()

    async def _wait_for_change(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), POLL_S)
        except TimeoutError:
            return
        finally:
            self._changed.clear()

    def _fail(self, error: BaseException) -> None:
        """Stop delivering and committing, then tell `on_fatal`; only the first fault is told."""
        if self._failed:
            return
        self._failed = True
        if self._assignment is not None:
            self._assignment.closed = True
        self.app.on_fatal(error)


class BatchTransport(kafka.Transport):
    """Faust's Kafka transport with the consumer above."""

    Consumer = BatchConsumer
