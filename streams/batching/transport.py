"""A Faust transport that hands agents whole batches of one partition, at positions that a keeper decides.

Written against faust-streaming 0.15.3 and aiokafka 0.14.0, whose internals it uses; both are pinned. What differs
from Faust's own Kafka transport:

- A batch travels as one Faust message, so its machinery of tasks, queues and sensors runs once per batch.
- Reading starts at the keeper's positions, not at the group's offsets. These only follow the keeper, for others to
  see; Faust's acknowledgements, which also count failed work as done, decide nothing.
- Only committed records are read, and partition n of every topic goes to the same member. Faust takes the
  round-robin assignor where an app has no tables, which does not keep them together; the range assignor does as long
  as all topics have the same number of partitions and all members read the same topics. Differing numbers are refused.
- Fetching is bound to a generation of the group: records are taken out of the client only while it is the current
  one and after its positions were set, in one step of the client's thread.
"""
# ruff: noqa: SLF001 - the base classes and the client offer no other way; versions are pinned for it

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import aiokafka
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.exceptions import ImproperlyConfigured
from faust.transport.drivers import aiokafka as kafka
from faust.types import TP, ConsumerMessage
from mode import ServiceT

from streams.batching.app import BatchApp
from streams.batching.assignment import Assignment
from streams.batching.batch import Batch, TransportError, cut
from streams.batching.fetched import take_fetched
from streams.batching.gone import go_on_behind

POLL_S = 1.0  # how often waiting without news looks whether the worker is to stop

Taken = Mapping[TP, tuple[Sequence[Any], int]]  # records, and the position after them


class BatchConsumerThread(kafka.AIOKafkaConsumerThread):
    """The Kafka client, in a thread of its own so that heartbeats go on while agents work."""

    _placed = -1  # generation whose positions are set
    _nudged = False

    def _create_worker_consumer(self, transport: kafka.Transport) -> aiokafka.AIOKafkaConsumer:
        app = cast(BatchApp, self.app)
        conf = app.conf
        if conf.broker_session_timeout > conf.broker_request_timeout:
            raise ImproperlyConfigured("broker_session_timeout is longer than broker_request_timeout")
        self._assignor = RangePartitionAssignor
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            bootstrap_servers=kafka.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="none",  # a position that is not there is nobody's to choose but the keeper's
            isolation_level="read_committed",
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=app.options.fetch_wait_ms,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            check_crcs=conf.broker_check_crcs,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
            **kafka.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def place(self, generation: int, tps: Collection[TP], starts: Mapping[TP, int]) -> dict[TP, int] | None:
        """Set the positions of `tps`, all that is assigned: `starts`, or the earliest offset where that has none.

        Returns the positions, None when `generation` has ended meanwhile. Raises KafkaError, and TransportError when
        a topic is missing or the topics' numbers of partitions differ.
        """
        client = self._ensure_consumer()
        await self._refuse_unfit_topics(client)
        unknown = [TopicPartition(*tp) for tp in tps if tp not in starts]
        earliest = await client.beginning_offsets(unknown) if unknown else {}
        if not self._current(generation):
            return None
        positions = {tp: starts[tp] if tp in starts else earliest[tp] for tp in tps}
        for tp, position in positions.items():
            client.seek(TopicPartition(*tp), position)
        self._placed = generation
        return positions

    async def take(self, generation: int, tps: set[TP], records_max: int) -> Taken:
        """Return what was fetched of `tps`, `records_max` records or so; nothing when none came within a second.

        Returns nothing either once `generation` has ended; no records of a partition where only its position moved on.
        Raises KafkaError where the group or a topic cannot be read.
        """
        client = self._ensure_consumer()
        fetcher = client._fetcher
        if client._closed or fetcher._closed:
            raise ConsumerStoppedError
        client._coordinator.check_errors()
        if self._nudged or not self._ready(generation):
            self._nudged = False
            return {}
        with client._subscription.fetch_context():
            fetched = take_fetched(fetcher, tps, records_max)
            if not fetched:
                news = fetcher._create_fetch_waiter()
                await asyncio.wait([news], timeout=POLL_S)
                if not news.done():
                    news.cancel()
                    return {}
                news.result()  # raises what the group coordinator found
                if not self._ready(generation):
                    return {}
                fetched = take_fetched(fetcher, tps, records_max)
        states = client._subscription.subscription.assignment
        return {TP(*tp): (records, states.state_value(tp).position) for tp, records in fetched.items()}

    def ends(self) -> dict[TP, int]:
        """Return the offsets after the last committed records, as fetches told them. Callable from any thread."""
        subscription = self._consumer._subscription.subscription if self._consumer is not None else None
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None:
            return {}
        told = {TP(*tp): assignment.state_value(tp).lso for tp in assignment.tps}
        return {tp: end for tp, end in told.items() if end is not None}

    def close(self) -> None:
        """Have the client hang up, since a rebalance would keep it from stopping. Callable from any thread.

        Faust hangs up in the app's event loop; connections and timers closed there while the client's own thread uses
        them can crash the process.
        """
        if self._consumer is not None:
            asyncio.run_coroutine_threadsafe(self._hang_up(self._consumer), self.thread_loop)

    async def _hang_up(self, client: aiokafka.AIOKafkaConsumer) -> None:
        client._closed = True
        await asyncio.gather(client._client.close(), client._coordinator.close())

    def nudge(self) -> None:
        """Have a waiting `take`, or the next one, return at once. Callable from any thread."""
        self.thread_loop.call_soon_threadsafe(self._nudge_here)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit `offsets` to the group, once; whether it was done. What fails is tried again with the next ones."""
        client = self._ensure_consumer()
        wanted = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        try:
            await asyncio.wait_for(client.commit(wanted), cast(BatchApp, self.app).options.commit_s)
        except (KafkaError, TimeoutError, RuntimeError) as error:
            # the last is uvloop's word for a connection that has just closed; aiokafka lets it through
            self.log.warning("group offsets not committed: %s %s", type(error).__name__, error)
            return False
        return True

    def _current(self, generation: int) -> bool:
        client = self._ensure_consumer()
        ended = client._subscription.reassignment_in_progress or client._coordinator.generation != generation
        return not ended

    def _ready(self, generation: int) -> bool:
        return self._placed == generation and self._current(generation)

    def _nudge_here(self) -> None:
        self._nudged = True
        fetcher = self._ensure_consumer()._fetcher
        for waiter in list(fetcher._fetch_waiters):
            fetcher._notify(waiter)

    async def _refuse_unfit_topics(self, client: aiokafka.AIOKafkaConsumer) -> None:
        topics = sorted(client.subscription())
        if any(client.partitions_for_topic(topic) is None for topic in topics):
            await client._client.force_metadata_update()  # it may have been made a moment ago
        counts = {topic: len(client.partitions_for_topic(topic) or ()) for topic in topics}
        if missing := [topic for topic, count in counts.items() if count == 0]:
            raise TransportError(f"no such topic: {', '.join(missing)}")
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{topic} {count}" for topic, count in counts.items())
            raise TransportError(f"topics read together need the same number of partitions: {told}")


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

    def ends(self) -> Mapping[TP, int]:
        """Return the offsets after the last committed records of what is assigned, as far as fetches told them."""
        return self._thread.ends()

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
            passed=self.app.keeper.passed,
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
        offsets = assignment.committable(self.app.keeper)
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
            starts = await self.app.keeper.assigned(assignment.tps)
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
            await asyncio.wait_for(self.app.keeper.revoked(assignment.tps), options.release_s)
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
        wanted = assignment.wanted(self.app.keeper)
        if not wanted:
            await self._wait_for_change()
            return
        records_max = self.app.conf.broker_max_poll_records or self.app.options.records_max
        try:
            taken: Taken = await self._thread.call_thread(self._thread.take, assignment.generation, wanted, records_max)
        except OffsetOutOfRangeError as error:
            await go_on_behind(self._thread, assignment, self.app.keeper, error.args[0])
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
