"""Publishes for one task: outputs together with the task's progress, and attempt logs."""

from __future__ import annotations

from collections.abc import Sequence

from streams.runtime.health import TaskMetrics
from streams.runtime.poison_isolation import ATTEMPT_LOG_KEY, AttemptLog, pack_attempt_log
from streams.runtime.ports import Clock, Outgoing, Processor, Publisher
from streams.runtime.positions import Positions
from streams.runtime.progress import LATEST_OUTDATED_KEY, PROGRESS_KEY, pack_keys, pack_progress


class TaskPublisher:
    """Writes the transactions of one task and keeps its output positions."""

    def __init__(
        self,
        partition: int,
        progress_topic: str,
        *,
        publisher: Publisher,
        processor: Processor,
        positions: Positions,
        clock: Clock,
        metrics: TaskMetrics,
    ) -> None:
        self._partition = partition
        self._progress_topic = progress_topic
        self._publisher, self._processor = publisher, processor
        self._positions, self._clock, self._metrics = positions, clock, metrics

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Publish outputs and the progress with which they were decided in one transaction."""
        progress = self._positions.progress(self._processor.counts(), outgoing)
        record = Outgoing(self._progress_topic, self._partition, PROGRESS_KEY, pack_progress(progress))
        self._positions.set_outputs(await self._publisher.publish([*outgoing, record]))
        self._metrics.published.update(each.topic for each in outgoing)
        self._positions.mark_published(progress)
        self._processor.mark_published(self._clock.now_us())

    async def publish_progress(self) -> None:
        """Publish how far the task has come, and nothing else."""
        await self.publish([])

    async def publish_attempts(self, log: AttemptLog) -> None:
        """Publish which chunks to suspect if this owner dies now."""
        await self.publish_alone(
            [Outgoing(self._progress_topic, self._partition, ATTEMPT_LOG_KEY, pack_attempt_log(log))]
        )

    async def publish_latest_outdated(self, removed: Sequence[bytes]) -> None:
        """Publish that the topic of latest decisions has to be filled, after some keys are removed there."""
        value = pack_keys(removed)
        await self._publisher.publish([Outgoing(self._progress_topic, self._partition, LATEST_OUTDATED_KEY, value)])

    async def publish_alone(self, outgoing: Sequence[Outgoing]) -> None:
        """Publish records that say nothing new about a case, without progress."""
        self._positions.set_outputs(await self._publisher.publish(outgoing))
