"""A Faust transport that hands whole batches of one partition to agents, starting at an offset provider's positions.

Written against faust-streaming 0.15.3 and aiokafka 0.14.0, whose internals it uses; both are pinned. It differs from
Faust's own Kafka transport in these points:

- A batch travels as one Faust message, so Faust's tasks, queues and sensors run once per batch.
- Reading starts at the offset provider's positions, not at the group's offsets. The group's offsets only follow, to
  show the progress. Faust's acknowledgements, which count failed work as done, decide nothing.
- Only committed records are read, and partition n of every topic goes to the same member. Without tables Faust would
  use the round-robin assignor, which does not keep them together. The range assignor does if all topics have the same
  number of partitions and all members read the same topics. Other members are kept out of the group
  (`streams.faust_transport.membership`), and a partition number that is assigned for some topics only is an error.
- Fetching is bound to a generation of the group: records leave the client only during the current generation and after
  its positions were set, in one step of the client's thread.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from aiokafka.errors import ConsumerStoppedError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as kafka
from faust.types import TP, ConsumerMessage
from mode import ServiceT

from streams.faust_transport.app import BatchApp
from streams.faust_transport.assignment import Assignment
from streams.faust_transport.batch import Batch, EndOffsets, TransportError
from streams.faust_transport.client import POLL_S, BatchConsumerThread, Fetched
from streams.faust_transport.membership import Refusal


class BatchConsumer(kafka.Consumer):
    """Moves batches from the client's thread to the agents; owns the current assignment."""

    app: BatchApp
    _thread: BatchConsumerThread
    _assignment: Assignment | None = None
    _seeking: asyncio.Task[None] | None = None
    _failed = False
    _changed: asyncio.Event
    _release_lock: asyncio.Lock

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._changed = asyncio.Event()
        self._release_lock = asyncio.Lock()

    @property
    def at_rest(self) -> bool:
        """Whether nothing is assigned and everything that was has been released without an error."""
        return self._assignment is None and not self._failed

    def end_offsets(self) -> Mapping[TP, EndOffsets]:
        """Return the end offsets of the assigned partitions, as of their last fetches."""
        return self._thread.end_offsets()

    def refusal(self) -> Refusal | None:
        """Return why this is no member of a stable group; None if it is one."""
        return self._thread.refusal()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take over `assigned`; another task sets positions, since the group and its heartbeats wait for this call."""
        await super().on_partitions_assigned(assigned, generation_id)
        if self.should_stop or self.app.should_stop:
            return
        self._assignment = Assignment(
            frozenset(assigned),
            generation_id,
            options=self.app.options,
            on_position=self.app.offset_provider.on_position,
            fail=self._fail,
            wake_up=self._wake_up,
        )
        self._seeking = asyncio.create_task(self._set_positions(self._assignment))

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Release the whole assignment before the group gives it to others."""
        await self.release()
        await super().on_partitions_revoked(revoked)

    async def release(self) -> None:
        """Stop delivering, have the offset provider finish its work, and commit. May be called more than once."""
        async with self._release_lock:
            assignment = self._assignment
            if assignment is None:
                return
            try:
                await self._release(assignment)
            except Exception as error:  # noqa: BLE001 - whatever it is, the work may not be recorded
                self._fail(error)
            self._assignment = None

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Commit the group's offsets as far as the offset provider allows, whatever Faust counts as acknowledged."""
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
        """Do nothing; Faust would seek to the group's offsets."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing; Faust would judge progress by its own acknowledgements."""

    async def _set_positions(self, assignment: Assignment) -> None:
        try:
            await self._thread.call_thread(self._thread.refuse_partial, assignment.tps)
            starts = await self.app.offset_provider.on_assigned(assignment.tps)
            if not starts.keys() <= assignment.tps:
                raise TransportError(f"positions for partitions not assigned: {sorted(starts.keys() - assignment.tps)}")
            positions = await self._thread.call_thread(
                self._thread.seek_all, assignment.generation, assignment.tps, dict(starts)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no position to read from
            self._fail(error)
            return
        if positions is not None:
            assignment.seek(positions)
            self._wake_up()

    async def _release(self, assignment: Assignment) -> None:
        release_s = self.app.options.release_s
        assignment.closed = True
        self._wake_up()
        if self._seeking is not None:
            self._seeking.cancel()
            _, unfinished = await asyncio.wait([self._seeking], timeout=release_s)
            if unfinished:
                raise TransportError(f"taking over partitions did not end within {release_s:g} s")
        if self._failed:
            return
        try:
            await asyncio.wait_for(self.app.offset_provider.on_revoked(assignment.tps), release_s)
        except TimeoutError as error:
            raise TransportError(f"partitions were not released within {release_s:g} s") from error
        await self.force_commit()

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Deliver batches until the worker stops; Faust's fetcher service runs this."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                assignment = self._assignment
                if assignment is None or not assignment.is_open or self._failed:
                    await self._wait_for_change()
                else:
                    await self._fetch_and_deliver(assignment)
        except asyncio.CancelledError:
            # Faust takes this for a crash if the group happens to rebalance, as it does when other members stop too.
            if not fetcher.should_stop:
                raise
        except ConsumerStoppedError:
            if not self.app.should_stop:
                raise
        except Exception as error:  # noqa: BLE001 - whatever it is, reading has ended
            self._fail(error)

    async def _fetch_and_deliver(self, assignment: Assignment) -> None:
        tps = assignment.fetchable(self.app.offset_provider)
        if not tps:
            await self._wait_for_change()
            return
        records_max = self.app.conf.broker_max_poll_records or self.app.options.records_max
        try:
            fetched: Fetched = await self._thread.call_thread(
                self._thread.take_fetched, assignment.generation, tps, records_max
            )
        except OffsetOutOfRangeError as error:
            await self._skip_deleted_offsets(assignment, error.args[0])
            return
        if assignment.closed:
            return  # the next owner reads these records again
        for tp, (records, position) in fetched.items():
            if not records:
                assignment.advance(tp, position)
                continue
            for batch in assignment.deliver(tp, records, position):
                await self.callback(self._message(batch))

    async def _skip_deleted_offsets(self, assignment: Assignment, positions: Mapping[TopicPartition, int]) -> None:
        """Continue at the log start offset of partitions whose position is out of range, if the provider accepts it."""
        for partition, position in positions.items():
            tp = TP(*partition)
            earliest, end = await self._thread.call_thread(self._thread.bounds, tp)
            if assignment.closed:
                return
            if position > end:
                raise TransportError(
                    f"{tp.topic}-{tp.partition}: the position was {position}, but the log ends at {end}: "
                    "Kafka has lost records, or the topic was created again"
                )
            if position < earliest:
                self.app.offset_provider.on_offsets_deleted(tp, position, earliest)
                await self._thread.call_thread(self._thread.skip_to, assignment.generation, tp, earliest)
                assignment.advance(tp, earliest)

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
            generation_id=batch.assignment.generation,
        )

    def _wake_up(self) -> None:
        self._changed.set()
        self._thread.wake_up()

    async def _wait_for_change(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), POLL_S)
        except TimeoutError:
            return
        finally:
            self._changed.clear()

    def _fail(self, error: BaseException) -> None:
        """Stop delivering and committing, then pass the first error to `on_fatal`."""
        if self._failed:
            return
        self._failed = True
        if self._assignment is not None:
            self._assignment.closed = True
        self.app.on_fatal(error)


class BatchTransport(kafka.Transport):
    """Faust's Kafka transport with a `BatchConsumer`."""

    Consumer = BatchConsumer
