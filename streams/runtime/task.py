"""The task of one partition number: batches in, one transaction of outputs per step, a checkpoint every few seconds.

A task owns the partitions of its number of every input topic. A step takes the waiting batches, has the processor add
them to its state, and publishes all that follows in one transaction. A step ends with acknowledged outputs or with the
end of the process (runtime.md, "Delivery guarantees"). The group's offsets advance only with the checkpoint that holds
the effect of the records.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from streams.runtime.backlog import Backlog
from streams.runtime.catch_up_buffer import CatchUpBuffer
from streams.runtime.checkpointer import Checkpointer
from streams.runtime.chunk_runner import ChunkRunner
from streams.runtime.hanging_transactions import Visibility, abort_hanging_transactions
from streams.runtime.health import Health, TaskMetrics
from streams.runtime.inbox import Inbox, phase
from streams.runtime.latest_decisions import fill_latest, first_decisions
from streams.runtime.missing_records import unread_count
from streams.runtime.poison_isolation import NAMES_MAX, Chunk, PoisonIsolation
from streams.runtime.ports import (
    TP,
    Batches,
    Checkpoint,
    Clock,
    Incoming,
    Outgoing,
    OutputLog,
    Processor,
    Publisher,
    Store,
)
from streams.runtime.positions import Positions, advance_to
from streams.runtime.progress import Progress
from streams.runtime.recovery import Recovery
from streams.runtime.retries import Retries
from streams.runtime.settings import TaskSettings
from streams.runtime.shared_lock import SharedLock
from streams.runtime.task_publisher import TaskPublisher

VISIBLE_WITHIN_TIMEOUTS: Final = 2
"""How many transaction time-outs to wait until readers can see what was published."""


class Task:
    """Runs the processor of one partition number: call `recover`, then `run`, then `stop`.

    Tasks of one process share `attempts`, since they end together.
    """

    def __init__(  # noqa: PLR0913 - everything outside that a task touches
        self,
        partition: int,
        processor: Processor,
        settings: TaskSettings,
        *,
        publisher: Publisher,
        log: OutputLog,
        store: Store,
        clock: Clock,
        health: Health,
        attempts: SharedLock,
    ) -> None:
        self.partition = partition
        self.health = health
        self.metrics = TaskMetrics()
        self._processor, self._settings = processor, settings
        self._publisher, self._log, self._store, self._clock = publisher, log, store, clock
        self._retries = Retries(health, settings.store_retry_s)
        self._inputs = [TP(topic, partition) for topic in settings.input_topics]
        self._inbox = Inbox(partition, settings.step_spacing_s)
        self._positions = Positions(settings.layout, settings.output_topics)
        self._catch_up = CatchUpBuffer({}, settings.step_records_max)
        self._backlog = Backlog({}, settings.backlog_idle_s)
        self._isolation = PoisonIsolation(settings.version)
        self._outputs = TaskPublisher(
            partition,
            settings.progress_topic,
            publisher=publisher,
            processor=processor,
            positions=self._positions,
            clock=clock,
            metrics=self.metrics,
        )
        self._chunks = ChunkRunner(
            partition,
            settings,
            processor=processor,
            positions=self._positions,
            isolation=self._isolation,
            publisher=self._outputs,
            attempts=attempts,
            retries=self._retries,
            clock=clock,
            health=health,
            metrics=self.metrics,
        )
        self._visibility = Visibility(log, VISIBLE_WITHIN_TIMEOUTS * settings.transaction_timeout_s)
        self._checkpointer = Checkpointer(
            store, processor, self._visibility, self._outputs.publish_progress, clock, health, settings
        )
        self._has_evaluated = False

    @property
    def committable(self) -> Mapping[TP, int]:
        """The offsets before which a checkpoint holds the effect of every record."""
        return self._checkpointer.committable

    @property
    def is_ready(self) -> bool:
        """Whether it has recovered, has caught up with the last owner, and decides."""
        return self._has_evaluated

    def progress(self) -> Progress:
        """Return how far the task has come, between two steps or within one."""
        return self._positions.progress(self._processor.counts())

    # -- life cycle ----------------------------------------------------------------------------------------------------

    async def recover(self) -> dict[TP, int]:
        """Fence the last owner, load its checkpoint, restore what it published since, and return where to read from.

        Until the input positions have caught up with those of the last owner, nothing is published: its outputs may
        rest on any record up to there.
        """
        self.health.at_work = True
        latest_topics = (*self._settings.decision_topics, self._settings.latest_topic)
        hung = await self._log.hanging_transactions([TP(topic, self.partition) for topic in latest_topics])
        await self._publisher.start()  # which aborts the last owner's transaction, and what hung before it
        await self._abort_hanging_transactions()
        recovery = Recovery(
            self.partition,
            self._settings,
            log=self._log,
            processor=self._processor,
            positions=self._positions,
            isolation=self._isolation,
            retries=self._retries,
            health=self.health,
        )
        checkpoint = await self._retries.until_answered(self._store.claim)
        recovered = await recovery.run(checkpoint, compares_latest=bool(hung))
        if recovered.was_latest_wrong:
            await self._outputs.publish_latest_outdated(recovered.removed_keys)
        # Zeros too: a counter that exists before its first record shows that record as an increase.
        self.metrics.received.update({tp.name: 0 for tp in self._inputs} | self._positions.consumed)
        self._catch_up = CatchUpBuffer(recovered.until, self._settings.step_records_max)
        self._backlog = Backlog(recovered.ends, self._settings.backlog_idle_s)
        # A name that recovery touched is evaluated by itself, so that no record is blamed for it.
        self._chunks.deferred = dict.fromkeys([*recovered.retried_names, *self._processor.defer()])
        starts = {tp: recovered.starts[tp.name] for tp in self._inputs if tp.name in recovered.starts}
        self._visibility.begin(self._positions.outputs)
        self._checkpointer.begin(dict(starts), self._inputs, phase(self.partition))
        self._isolation.begin(self._positions.inputs, self._clock.now_us())
        if not (self._isolation.after_crash and recovered.is_layout_published):
            # The next owner then knows that this one died, and suspects no record of deleted topics.
            await self._chunks.log_attempts()
        if not recovered.is_latest_filled:
            await self._fill_latest(recovered.removed_keys)
        if not (recovered.is_latest_filled and recovered.is_layout_published):
            await self._outputs.publish_progress()
        self.health.at_work = False
        return {tp: starts.get(tp, 0) for tp in self._inputs}

    async def _fill_latest(self, removed_keys: Sequence[bytes]) -> None:
        sources = [TP(topic, self.partition) for topic in self._settings.decision_topics]
        publish = self._outputs.publish_alone
        if removed_keys:
            await publish([Outgoing(self._settings.latest_topic, self.partition, key, b"") for key in removed_keys])
        await fill_latest(sources, log=self._log, processor=self._processor, publish=publish, health=self.health)

    async def _abort_hanging_transactions(self) -> None:
        settings = self._settings
        progress = TP(settings.progress_topic, self.partition)
        own = [progress, *(TP(topic, self.partition) for topic in (*settings.output_topics, settings.latest_topic))]
        numbers = range(settings.layout.partitions)
        shared = [TP(topic, number) for topic in settings.internal_topics for number in numbers]
        hanging = await self._log.hanging_transactions([*own, *shared])
        if any(tp.topic in (*settings.decision_topics, settings.latest_topic) for tp in hanging):
            decisions = [tp for tp in hanging if tp.topic in settings.decision_topics]
            removed = await first_decisions(decisions, log=self._log, processor=self._processor)
            if progress in hanging:  # otherwise the next commit there would end it as committed
                await self._publisher.abort([progress])
            await self._outputs.publish_latest_outdated(removed)
            while await self._log.hanging_transactions([progress]):  # what hangs in its turn would be aborted
                await self._outputs.publish_latest_outdated(removed)
        await abort_hanging_transactions(self._publisher, self._log, own, hanging, settings.transaction_timeout_s)

    async def run(self) -> None:
        """Run steps until `finish` is called; after an exception the process must end."""
        while not self._chunks.is_stopping:
            batches = await self._inbox.take(self._settings.step_records_max)
            self.health.at_work = True
            began = time.monotonic()
            await self.step(batches)
            self.metrics.add_step(time.monotonic() - began)
            self.health.at_work = False
            self.health.progress += 1

    def finish(self) -> None:
        """End `run` after the current step, and leave waiting batches to the next owner."""
        self._chunks.is_stopping = True

    async def stop(self) -> None:
        """Publish that this owner ends, write a last checkpoint and disconnect; `run` has ended before.

        State that was restored but not evaluated is not saved: the next owner restores it again. Nor is anything while
        records wait for the store: the next owner reads them again.
        """
        if self._has_evaluated:
            self._positions.ended_cleanly = True
            await self._outputs.publish_progress()
            if not self._processor.is_waiting:
                await self._checkpointer.save_now(self._checkpoint)
        await self._publisher.stop()

    # -- input ---------------------------------------------------------------------------------------------------------

    def enqueue(self, tp: TP, records: Sequence[Incoming], on_taken: Callable[[], None] = lambda: None) -> None:
        """Add a batch of one input partition; `on_taken` is called when a step takes it."""
        self.metrics.received[tp.name] += len(records)
        self._inbox.put(tp, records, on_taken)

    def wants_more(self, tp: TP) -> bool:
        """Return whether to fetch more of an input partition now."""
        return self._catch_up.wants_more(tp) and not self._processor.is_full

    def advance(self, tp: TP, offset: int) -> None:
        """Note at which offset the consumer continues, perhaps after markers; every record before it is enqueued."""
        self._positions.read_up_to[tp.name] = offset

    def skip_deleted(self, tp: TP, first: int, end: int) -> None:
        """Note that offsets of an input partition, from `first` to before `end`, were deleted before they were read.

        Raises `Fatal` unless the settings accept that.
        """
        accepts = self._settings.accepts_trimmed
        self._positions.add_skipped(tp.name, unread_count(tp.name, first, end, accepts=accepts))

    # -- steps ---------------------------------------------------------------------------------------------------------

    async def step(self, batches: Batches) -> None:
        """Process batches and what is due, publish what follows, and save when it is time."""
        positions = self._positions
        positions.pass_markers(self.metrics.received)
        # The last owner's clock may have been ahead: what it accepted stays accepted, and no deadline moves back.
        positions.now = max(positions.now, self._clock.now_us())
        if self._is_catching_up():
            await self._chunks.run_all(self._isolation.chunks(self._catch_up.before(batches)), defers=True)
            if self._chunks.is_stopping:
                return
            advance_to(positions.inputs, self._catch_up.passed)
            if self._is_catching_up():
                return
            batches = []
        batches = [*self._catch_up.release(), *batches]
        await self._chunks.quarantine_given_up()
        chunk = Chunk(batches, list(dict.fromkeys([*self._chunks.deferred, *await self._due_names()])))
        if self._chunks.isolates:
            await self._chunks.run_in_isolation(chunk)
        else:
            await self._chunks.run_at_once(chunk)
        self._chunks.deferred.clear()
        self._has_evaluated = True
        if self._checkpointer.is_due and positions.has_unpublished:
            await self._outputs.publish_progress()
        if self._processor.is_waiting:
            self.health.unsaved = True
        else:
            await self._checkpointer.advance(self._checkpoint, chunk.records)

    def _is_catching_up(self) -> bool:
        return self._catch_up.is_active(self._positions.inputs)

    async def _due_names(self) -> list[str]:
        """Return the names whose deadline has passed, and those that may leave the state."""
        now = self._positions.now
        due = [*await self._processor.due(now, NAMES_MAX)]
        await self._backlog.restart_after_sleep(now, self._log, self._inputs)
        if self._backlog.is_read(self._positions.inputs, asyncio.get_running_loop().time()):
            due += await self._processor.expired(now, NAMES_MAX)
        return due

    def _checkpoint(self) -> Checkpoint:
        return self._positions.checkpoint(self._processor.counts())
