"""One partition number's task: batches in, one transaction of outputs out, a checkpoint every so often.

A task owns the partitions of its number of every input topic. A step takes the batches at hand, lets the work add them
to its state, and publishes all that follows in one transaction; there is no other exit from a step than acknowledged
outputs or the end of the process (architecture, 3.3). Offsets count as done only with the checkpoint that holds their
effect. What the work is, is not known here.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from schemas.errors import Fatal, SopError, Unpublishable
from streams.runtime.backlog import Backlog
from streams.runtime.catch_up_buffer import CatchUpBuffer
from streams.runtime.checkpointer import Checkpointer
from streams.runtime.hanging_transactions import Visibility, abort_hanging_transactions
from streams.runtime.inbox import Inbox, next_turn
from streams.runtime.missing_records import unread_count
from streams.runtime.poison_isolation import (
    ATTEMPT_LOG_KEY,
    ATTEMPTS_MAX,
    NAMES_MAX,
    Chunk,
    PoisonIsolation,
    Suspect,
    pack_attempt_log,
    suspect_of,
)
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
    Quarantined,
    Store,
)
from streams.runtime.positions import Positions, advance_to
from streams.runtime.progress import PROGRESS_KEY, Progress, pack_progress
from streams.runtime.recovery import Recovery
from streams.runtime.settings import TaskSettings
from streams.runtime.shared_lock import SharedLock
from streams.runtime.task_metrics import TaskMetrics
from streams.runtime.watchdog import Health

SIGHT_TIMEOUTS: Final = 2
"""For how many time-outs of a transaction it is waited until what was written can be seen."""
QUARANTINED_MAX: Final = 20
"""How much may be set aside before it is the worker that is taken for broken."""

logger = logging.getLogger("sop.task")


class Task:
    """The work of one partition number."""

    def __init__(  # noqa: PLR0913 - all of the world that it touches
        self,
        partition: int,
        work: Processor,
        settings: TaskSettings,
        *,
        publisher: Publisher,
        log: OutputLog,
        store: Store,
        clock: Clock,
        health: Health,
        attempts: SharedLock,
    ) -> None:
        """Take the partition number, its work and the world; `recover` comes first, then `run`.

        Tasks of one process, which end together, share `attempts`.
        """
        self.partition = partition
        self.health = health
        self.metrics = TaskMetrics()
        self._work = work
        self._settings = settings
        self._publisher, self._log, self._store, self._clock = publisher, log, store, clock
        self._attempts = attempts
        self._inbox = Inbox()
        self._inputs = [TP(topic, partition) for topic in settings.input_topics]
        self._positions = Positions(settings.layout, settings.output_topics)
        self._catch_up = CatchUpBuffer({}, settings.step_records_max)
        self._backlog = Backlog({}, settings.backlog_idle_s)
        self._deferred: dict[str, None] = {}
        """Names to be concluded upon before anything can be saved, in their order."""
        self._isolation = PoisonIsolation(settings.version)
        self._recovery = Recovery(
            partition,
            settings,
            log=log,
            work=work,
            positions=self._positions,
            suspects=self._isolation,
            health=health,
        )
        self._visibility = Visibility(log, SIGHT_TIMEOUTS * settings.transaction_timeout_s)
        self._checkpoints = Checkpointer(store, work, self._visibility, self._tell, clock, health, settings)
        self._finishing = False
        self._has_evaluated = False

    @property
    def committable(self) -> Mapping[TP, int]:
        """The offsets up to which the effect of what was read is in a checkpoint."""
        return self._checkpoints.committable

    def progress(self) -> Progress:
        """Return how far it has come and what became of the records, between two steps or within one."""
        return self._positions.progress(self._work.counts())

    # -- life ----------------------------------------------------------------------------------------------------------

    async def recover(self) -> dict[TP, int]:
        """Take over: fence the last owner, load the checkpoint, read back what was emitted since.

        Returns the offsets to read from. Until consumption has come as far as the
        last owner's had, nothing goes out: what it took into account is never out of account again.
        """
        self.health.at_work = True
        await self._publisher.start()
        await self._abort_hanging_transactions()
        saved = await self._store.claim() or Checkpoint({}, {}, {}, ended_cleanly=True)
        recovered = await self._recovery.run(saved)
        self.metrics.received.update(self._positions.consumed)
        self._catch_up = CatchUpBuffer(recovered.until, self._settings.step_records_max)
        self._backlog = Backlog(recovered.ends, self._settings.backlog_idle_s)
        # no record is to be blamed for what the recovery touched
        self._deferred = dict.fromkeys([*recovered.again, *self._work.defer()])
        start = {tp: recovered.starts[tp.name] for tp in self._inputs if tp.name in recovered.starts}
        self._visibility.begin(self._positions.outputs)
        self._checkpoints.begin(dict(start), self._inputs, self.partition)
        self._isolation.begin(self._positions.positions, self._clock.now_us())
        if not (self._isolation.wary and recovered.is_layout_told):
            await self._note()  # who finds it knows that this owner died, and of no suspects in former topics
        if not recovered.is_layout_told:
            await self._tell()
        self.health.at_work = False
        return {tp: start.get(tp, 0) for tp in self._inputs}

    async def _abort_hanging_transactions(self) -> None:
        own = [TP(topic, self.partition) for topic in (*self._settings.output_topics, self._settings.progress_topic)]
        numbers = range(self._settings.layout.partitions)
        shared = [TP(topic, number) for topic in self._settings.internal_topics for number in numbers]
        await abort_hanging_transactions(self._publisher, self._log, own, shared, self._settings.transaction_timeout_s)

    async def enqueue(self, tp: TP, records: Sequence[Incoming]) -> None:
        """Hand over a batch of one input partition; waits while too many are waiting."""
        self.metrics.received[tp.name] += len(records)
        await self._inbox.put(tp, records)

    def passed(self, tp: TP, offset: int) -> None:
        """Hear where reading of an input partition goes on, maybe behind markers, all before it being handed over."""
        self._positions.goes_on[tp.name] = offset

    def skip(self, tp: TP, first: int, end: int) -> None:
        """Hear that offsets of an input partition, `end` excluded, were deleted before they were read.

        Raises `Fatal` unless that is accepted.
        """
        self._positions.skip(tp.name, unread_count(tp.name, first, end, accepts=self._settings.accepts_trimmed))

    def wants(self, tp: TP) -> bool:
        """Tell whether more of an input partition is wanted now."""
        return self._catch_up.wants(tp)

    async def run(self) -> None:
        """Work until `finish`; any exception means that the process has to end."""
        running_s, turn = asyncio.get_running_loop().time, 0.0
        while not self._finishing:
            batches = await self._inbox.take(turn, self._settings.step_records_max)
            self.health.at_work = True
            began = time.monotonic()
            if batches:
                turn = next_turn(running_s(), self._settings.step_spacing_s, self.partition)
            await self.step(batches)
            self.metrics.stepped(time.monotonic() - began)
            self.health.at_work = False
            self.health.moves += 1

    def finish(self) -> None:
        """Let `run` end after the step it is in; what is queued stays undone."""
        self._finishing = True

    async def stop(self) -> None:
        """Say that this owner ends, write a last checkpoint and disconnect; `run` has ended before.

        What was read back and not concluded upon is in no state that could be saved: the next owner reads it again.
        """
        if self._has_evaluated:
            self._positions.ended_cleanly = True
            await self._tell()
            await self._checkpoints.save_now(self._saved)
        await self._publisher.stop()

    # -- a step --------------------------------------------------------------------------------------------------------

    async def step(self, batches: Batches) -> None:
        """Take batches in, publish what follows from them and from what is due, save when it is time."""
        self._positions.pass_over(self.metrics.received)
        # The last owner's clock may have been ahead: what it accepted is accepted again, and no deadline is put back.
        self._positions.now = max(self._positions.now, self._clock.now_us())
        if self._is_held():
            await self._each(self._isolation.chunks(self._catch_up.before(batches)), is_deferred=True)
            if self._finishing:
                return
            advance_to(self._positions.positions, self._catch_up.passed)
            if self._is_held():
                return
            batches = []
        batches = [*self._catch_up.release(), *batches]
        await self._set_aside_given_up()
        names = list(dict.fromkeys([*self._deferred, *await self._due()]))
        if self._is_calm():
            if self._isolation.forget():
                await self._note()
            await self._do_by_parts(batches, names)
        else:
            await self._do_warily(batches, names)
        self._deferred.clear()
        self._has_evaluated = True
        if self._checkpoints.due and self._positions.untold:
            await self._tell()
        await self._checkpoints.advance(self._saved, sum(len(records) for _, records in batches))

    async def _due(self) -> list[str]:
        """Return the names of what has come due, and of what may be let go."""
        now = self._positions.now
        due = [*await self._work.due(now, NAMES_MAX)]
        await self._backlog.renew(now, self._log, self._inputs)
        if self._backlog.is_read(self._positions.positions, asyncio.get_running_loop().time()):
            due += await self._work.expired(now, NAMES_MAX)
        return due

    async def _do_by_parts(self, batches: Batches, names: Sequence[str]) -> None:
        """Do all at once, but not more names than records: after a recovery they may be those of all cases."""
        size = self._settings.step_records_max
        while len(names) > size:
            await self._do(Chunk([], names[:size]))
            self.health.moves += 1
            names = names[size:]
        await self._do(Chunk(batches, names))

    async def _do_warily(self, batches: Batches, names: Sequence[str]) -> None:
        """Do names and records apart, so that it shows on which of them it is that a worker ends.

        What tasks wrote themselves comes last: a report sent on may be much newer than those that came straight.
        """
        internal = [(tp, records) for tp, records in batches if tp.topic in self._settings.internal_topics]
        inputs = [(tp, records) for tp, records in batches if tp.topic not in self._settings.internal_topics]
        await self._do_names(names)
        self._deferred.clear()
        await self._each(self._isolation.chunks(inputs))
        if internal:
            await self._each(self._isolation.chunks(internal), is_deferred=True)
            await self._do_names(list(self._deferred))
        await self._do(Chunk([]))  # what was refused of portions deferred touches no name

    async def _do_names(self, names: Sequence[str]) -> None:
        for chunk in self._isolation.name_chunks(names):
            await self._do(chunk)

    def _is_held(self) -> bool:
        return self._catch_up.lasts(self._positions.positions)

    def _is_calm(self) -> bool:
        return self._isolation.calm(self._positions.positions, self._clock.now_us(), saved=self.health.saves > 0)

    async def _each(self, chunks: Iterable[Chunk], *, is_deferred: bool = False) -> None:
        for chunk in chunks:
            if not self._finishing:
                await self._do(chunk, is_deferred=is_deferred)

    async def _do(self, chunk: Chunk, *, is_deferred: bool = False) -> None:
        """Do a portion and publish what follows; what cannot be survived is noted before.

        Nothing follows yet of a portion that is deferred: what it touches is left to be concluded upon by name, since
        it is no single record to which a fault there would be due.
        """
        suspect = None if self._is_calm() else self._isolation.next_of(chunk)
        async with self._turn(suspect):
            if suspect is not None:
                await self._note(suspect)
            try:
                await self._take(chunk)
                if is_deferred:
                    self._deferred.update(dict.fromkeys(self._work.defer()))
                outgoing = [] if is_deferred else await self._evaluate(chunk)
            except SopError:
                if suspect is not None:
                    await self._note()  # the world's fault, not the records'
                raise
            except Exception as error:
                raise await self._blamed(chunk, suspect, error) from error
            is_given_up = self._isolation.refusal(chunk) is not None
            if is_given_up:
                await self._publish_of(chunk, outgoing)  # before the note about it goes
            if suspect is not None:
                self._isolation.went_well(chunk, self._positions.positions)
                await self._note()
                self.health.moves += 1
        if outgoing and not is_given_up:
            await self._publish_of(chunk, outgoing)

    def _turn(self, suspect: Suspect | None) -> AbstractAsyncContextManager[None]:
        """Wait until a suspect may be tried: for the last time alone, since whoever ends the process ends all tasks."""
        if suspect is None:
            return nullcontext()
        return self._attempts.alone() if suspect.attempts == ATTEMPTS_MAX else self._attempts.shared()

    async def _take(self, chunk: Chunk) -> None:
        refusal = self._isolation.refusal(chunk)
        if refusal is None:
            await self._work.process(chunk.batches, self._positions.now)
        else:
            for tp, records in chunk.batches:
                for record in records:
                    self._work.refuse(tp, record, refusal)
            for name in chunk.names:
                self._quarantine(name, refusal)
        self._positions.read(chunk.batches)

    async def _evaluate(self, chunk: Chunk) -> list[Outgoing]:
        names = [name for name in chunk.names if name not in self._positions.quarantined]
        return await self._work.evaluate(self._positions.now, self._positions.positions, names)

    async def _blamed(self, chunk: Chunk, suspect: Suspect | None, error: Exception) -> Fatal:
        """Note with what something was raised, for the next owner to look at it more closely."""
        blamed = suspect_of(chunk, 1 if suspect is None else suspect.attempts, type(error).__name__)
        place = blamed.place or f"partition {self.partition}"
        if blamed.place:
            await self._note(blamed)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        attempt = f", attempt {blamed.attempts} of {ATTEMPTS_MAX}" if blamed.attempts else ""
        # not the error's own words: they may be the event's
        return Fatal(f"{place}: {blamed.error} ({frame.filename}:{frame.lineno}){attempt}")

    async def _set_aside_given_up(self) -> None:
        """Set aside the names given up before a record brings them up: it would be the record that is found then."""
        given_up = self._isolation.names_given_up()
        for chunk in given_up:
            for name in chunk.names:
                self._quarantine(name, self._isolation.refusal(chunk) or "")
        if given_up:
            await self._tell()  # before the note about them goes
            for chunk in given_up:
                self._isolation.went_well(chunk, self._positions.positions)
            await self._note()

    def _quarantine(self, name: str, reason: str) -> None:
        """Have nothing concluded upon a name any more."""
        aside = self._positions.quarantined
        if len(aside) >= QUARANTINED_MAX:
            raise Fatal(f"{name}: {reason}; {len(aside)} are set aside already, so it is the worker that is broken")
        aside[name] = Quarantined(reason, self._settings.version)
        self._work.quarantine(name)
        logger.error("%s is set aside: %s", name, reason)

    # -- what is told and saved ----------------------------------------------------------------------------------------

    async def _note(self, doing: Suspect | None = None) -> None:
        note = pack_attempt_log(self._isolation.note(doing))
        record = Outgoing(self._settings.progress_topic, self.partition, ATTEMPT_LOG_KEY, note)
        self._positions.wrote(await self._publisher.publish([record]))
        self.metrics.tried_again += doing is not None and doing.attempts > 1 and not doing.error

    async def _publish_of(self, chunk: Chunk, outgoing: Sequence[Outgoing]) -> None:
        """Publish what follows from a portion; note what Kafka refuses for its content, for the next owner to give up.

        The state is ahead of what was said then, so this owner has to end in any case.
        """
        try:
            await self._publish(outgoing)
        except Unpublishable as error:
            blamed = suspect_of(chunk, ATTEMPTS_MAX, str(error))
            if error.about and (error.is_certain or blamed.is_single):
                blamed = suspect_of(Chunk([], [error.about]), ATTEMPTS_MAX, str(error))
            # where even the refusal cannot be published there is nothing left to give up
            if error.about is not None and blamed.place and self._isolation.refusal(chunk) is None:
                await self._note(blamed)
                raise Fatal(f"{blamed.place}: {error}") from error
            raise

    async def _publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Publish what follows from the inputs, with how far they were read."""
        told = self._positions.progress(self._work.counts(), outgoing)
        progress = Outgoing(self._settings.progress_topic, self.partition, PROGRESS_KEY, pack_progress(told))
        self._positions.wrote(await self._publisher.publish([*outgoing, progress]))
        self.metrics.published.update(each.topic for each in outgoing)
        self._positions.told(told)

    async def _tell(self) -> None:
        """Say how far the inputs were read, and nothing else."""
        await self._publish([])

    def _saved(self) -> Checkpoint:
        return self._positions.saved(self._work.counts())
