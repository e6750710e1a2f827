"""Processes the chunks of a step and publishes what follows, so that a poison record or name can be found.

While the task isolates poison, the attempt log has every chunk before it is tried. A chunk that raises is logged with
its error, and the process ends; the next owner tries it in smaller chunks (`streams.runtime.poison_isolation`).
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from schemas.errors import Fatal, SopError, Unavailable, Unpublishable
from streams.runtime.health import Health, TaskMetrics
from streams.runtime.poison_isolation import ATTEMPTS_MAX, Attempt, Chunk, PoisonIsolation
from streams.runtime.ports import Clock, Outgoing, Processor, Quarantined
from streams.runtime.positions import Positions
from streams.runtime.retries import Retries
from streams.runtime.settings import TaskSettings
from streams.runtime.shared_lock import SharedLock
from streams.runtime.task_publisher import TaskPublisher

QUARANTINED_MAX: Final = 20
"""Beyond this number of quarantined names the worker itself must be broken."""

STORE_IS_AWAY: Final = "the store does not answer"

logger = logging.getLogger("sop.task")


class ChunkRunner:
    """Runs chunks for the task of one partition number; tasks of one process share `attempts`."""

    def __init__(  # noqa: PLR0913 - all that a chunk touches
        self,
        partition: int,
        settings: TaskSettings,
        *,
        processor: Processor,
        positions: Positions,
        isolation: PoisonIsolation,
        publisher: TaskPublisher,
        attempts: SharedLock,
        retries: Retries,
        clock: Clock,
        health: Health,
        metrics: TaskMetrics,
    ) -> None:
        self._partition = partition
        self._settings = settings
        self._processor, self._positions, self._isolation = processor, positions, isolation
        self._publisher, self._attempts, self._retries, self._clock = publisher, attempts, retries, clock
        self._health, self._metrics = health, metrics
        self.deferred: dict[str, None] = {}
        """Names that must be evaluated before anything can be saved, in order."""
        self.is_stopping = False
        """Whether to leave further chunks of records to the next owner."""

    @property
    def isolates(self) -> bool:
        """Whether chunks are logged before they are tried."""
        now, saved = self._clock.now_us(), self._health.saves > 0
        return self._isolation.is_needed(self._positions.inputs, now, saved=saved)

    async def run_at_once(self, chunk: Chunk) -> None:
        """Run a chunk, its names in step-sized parts: after a recovery these may be all cases."""
        if self._isolation.clear():
            await self.log_attempts()
        names, size = chunk.names, self._settings.step_records_max
        while len(names) > size:
            await self.run(Chunk([], names[:size]))
            self._health.progress += 1
            names = names[size:]
        await self.run(Chunk(chunk.batches, names))

    async def run_in_isolation(self, chunk: Chunk) -> None:
        """Run the names and the records of a chunk separately and in parts, to find the one that ends a worker.

        Internal topics come last: a forwarded report may be much newer than those that came directly.
        """
        internal = [(tp, records) for tp, records in chunk.batches if tp.topic in self._settings.internal_topics]
        inputs = [(tp, records) for tp, records in chunk.batches if tp.topic not in self._settings.internal_topics]
        await self._run_names(chunk.names)
        self.deferred.clear()
        await self.run_all(self._isolation.chunks(inputs))
        if internal:
            await self.run_all(self._isolation.chunks(internal), defers=True)
            await self._run_names(list(self.deferred))
        await self.run(Chunk([]))  # publishes the dead letters of deferred chunks, which touch no name

    async def run_all(self, chunks: Iterable[Chunk], *, defers: bool = False) -> None:
        """Run chunks of records one after the other, until the task stops."""
        for chunk in chunks:
            if not self.is_stopping:
                await self.run(chunk, defers=defers)

    async def run(self, chunk: Chunk, *, defers: bool = False) -> None:
        """Process and evaluate a chunk and publish what follows; log it before, if the task isolates poison.

        With `defers`, the names that it touches are only added to `deferred`: evaluated together with its records, a
        fault of one of them would be blamed on a record.
        """
        attempt = self._isolation.next_attempt(chunk) if self.isolates else None
        async with self._turn(attempt):
            if attempt is not None:
                await self.log_attempts(attempt)
            try:
                outgoing = await self._run(chunk, isolates=attempt is not None, defers=defers)
            except SopError:
                if attempt is not None:
                    await self.log_attempts()  # the environment's fault, not that of the chunk
                raise
            except Exception as error:
                raise await self._blame(chunk, attempt, error) from error
            is_given_up = self._isolation.refusal(chunk) is not None
            if is_given_up:
                await self._publish(chunk, outgoing)  # before the attempt log forgets the chunk
            if attempt is not None:
                self._isolation.mark_done(chunk, self._positions.inputs)
                await self.log_attempts()
                self._health.progress += 1
        if outgoing and not is_given_up:
            await self._publish(chunk, outgoing)

    async def quarantine_given_up(self) -> None:
        """Quarantine names that were tried often enough before a record touches them: that record would be blamed."""
        given_up = self._isolation.names_given_up()
        for chunk in given_up:
            for name in chunk.names:
                self._quarantine(name, self._isolation.refusal(chunk) or "")
        if given_up:
            await self._publisher.publish_progress()  # before the attempt log forgets them
            for chunk in given_up:
                self._isolation.mark_done(chunk, self._positions.inputs)
            await self.log_attempts()

    async def log_attempts(self, current: Attempt | None = None) -> None:
        """Publish the attempt log, with what is about to be tried."""
        await self._publisher.publish_attempts(self._isolation.log(current))
        if current is not None and current.number > 1 and not current.error:
            self._metrics.poison_retries += 1

    async def _run_names(self, names: Sequence[str]) -> None:
        for chunk in self._isolation.name_chunks(names):
            await self.run(chunk)

    def _turn(self, attempt: Attempt | None) -> AbstractAsyncContextManager[None]:
        """Wait until a chunk may be tried; its last attempt runs alone, since a process ends with all its tasks."""
        if attempt is None:
            return nullcontext()
        return self._attempts.alone() if attempt.number == ATTEMPTS_MAX else self._attempts.shared()

    async def _run(self, chunk: Chunk, *, isolates: bool, defers: bool) -> list[Outgoing]:
        """Process and evaluate a chunk, or defer that; return the records to publish.

        What comes before the last owner's positions is applied before what comes after, and an attempt tells only what
        the whole chunk did: both wait for the store.
        """
        await self._process(chunk)
        if isolates or defers:
            await self._retries.until_answered(self._process_waiting)
        if defers:
            self.deferred.update(dict.fromkeys(self._processor.defer()))
            return []
        outgoing = await self._evaluate(chunk)
        if isolates:
            outgoing += await self._retries.until_answered(self._evaluate_waiting)
        return outgoing

    async def _process(self, chunk: Chunk) -> None:
        refusal = self._isolation.refusal(chunk)
        if refusal is None:
            await self._processor.process(chunk.batches, self._positions.now)
        else:
            for tp, records in chunk.batches:
                for record in records:
                    self._processor.refuse(tp, record, refusal)
            for name in chunk.names:
                self._quarantine(name, refusal)
        self._positions.add_processed(chunk.batches)

    async def _evaluate(self, chunk: Chunk) -> list[Outgoing]:
        names = [name for name in chunk.names if name not in self._positions.quarantined]
        return await self._processor.evaluate(self._positions.now, self._positions.inputs, names)

    async def _process_waiting(self) -> None:
        """Process the records that wait for the store; raises `Unavailable` if it is still away."""
        if self._processor.is_waiting:
            await self._processor.process([], self._positions.now)
        if self._processor.is_waiting:
            raise Unavailable(STORE_IS_AWAY)

    async def _evaluate_waiting(self) -> list[Outgoing]:
        """Evaluate the names that wait for the store; raises `Unavailable`, with none evaluated, if it is away."""
        outgoing = await self._evaluate(Chunk([])) if self._processor.is_waiting else []
        if self._processor.is_waiting:
            raise Unavailable(STORE_IS_AWAY)
        return outgoing

    async def _blame(self, chunk: Chunk, attempt: Attempt | None, error: Exception) -> Fatal:
        """Log the error of a chunk for the next owner; return the error with which this one ends."""
        blamed = Attempt.of(chunk, 1 if attempt is None else attempt.number, type(error).__name__)
        place = blamed.place or f"partition {self._partition}"
        if blamed.place:
            await self.log_attempts(blamed)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        number = f", attempt {blamed.number} of {ATTEMPTS_MAX}" if blamed.number else ""
        # without the error's own text, which may quote the event
        return Fatal(f"{place}: {blamed.error} ({frame.filename}:{frame.lineno}){number}")

    async def _publish(self, chunk: Chunk, outgoing: Sequence[Outgoing]) -> None:
        """Publish what follows from a chunk; log what Kafka refuses for its content, for the next owner to give up.

        The state is then ahead of the published outputs, so this owner must end in any case.
        """
        try:
            await self._publisher.publish(outgoing)
        except Unpublishable as error:
            blamed = Attempt.of(chunk, ATTEMPTS_MAX, str(error))
            if error.about and (error.is_certain or blamed.is_single):
                blamed = Attempt.of(Chunk([], [error.about]), ATTEMPTS_MAX, str(error))
            # if even the refusal cannot be published, nothing is left to give up
            if error.about is not None and blamed.place and self._isolation.refusal(chunk) is None:
                await self.log_attempts(blamed)
                raise Fatal(f"{blamed.place}: {error}") from error
            raise

    def _quarantine(self, name: str, reason: str) -> None:
        """Stop evaluating a name."""
        quarantined = self._positions.quarantined
        if len(quarantined) >= QUARANTINED_MAX:
            raise Fatal(
                f"{name}: {reason}; {len(quarantined)} names are quarantined already, so the worker itself is broken"
            )
        quarantined[name] = Quarantined(reason, self._settings.version)
        self._processor.quarantine(name)
        logger.error("%s is quarantined: %s", name, reason)
