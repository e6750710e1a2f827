"""One run of `sop up` over a broker that is there: topics, a worker, the events going in, the decisions coming out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import SopError, Unavailable
from schemas.topics import Topics
from streams.config.connections import connect_kafka
from streams.config.settings import Settings
from streams.demo.feed import Feed, Line, Router
from streams.demo.live_view import LiveView
from streams.demo.progress import Waiting
from streams.demo.worker_child import WorkerChild
from streams.kafka.connection import prepare_topics
from streams.process.clock import SystemClock
from streams.process.signals import StopSignals

LOOK_EVERY_S: Final = 0.1
FETCH_WAIT_MS: Final = 100

Lines = Callable[[], Iterator[Line]]
"""Returns the events to send."""


class PartEndedError(SopError):
    """The worker or the broker ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run: `duration_s` from the first event on, None until stopped; `broker_runs` tells whether it still does.

    `welcome` is said once the broker has answered.
    """

    welcome: Sequence[str]
    settings: Settings
    lines: Lines
    events_per_s: float
    duration_s: float | None
    broker_runs: Callable[[], bool]


class Session:
    """Runs a plan; `sent` tells how many events went in."""

    def __init__(self, plan: Plan, live_view: LiveView, waiting: Waiting, worker: WorkerChild) -> None:
        self._plan = plan
        self._live_view = live_view
        self._waiting = waiting
        self._begun = asyncio.Event()
        self._worker = worker
        self._connection = connect_kafka(plan.settings)
        prefix = plan.settings.topic_prefix
        self._topics = Topics(prefix)
        self._feed = Feed(self._connection, Router(self._topics, prefix), SystemClock(), events_per_s=plan.events_per_s)

    @property
    def sent(self) -> int:
        """How many events were acknowledged."""
        return self._feed.sent

    async def run(self, wish: StopSignals) -> None:
        """Run until the wish to stop, the plan's duration, or a failure; what was started is stopped.

        Raises `UsageError` for a broker or an input that cannot be used, `PartEndedError` when worker or broker end by
        themselves, `Unavailable` when the broker ceases to answer.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            settings = self._plan.settings
            self._waiting.now("preparing topics")
            partitions = await prepare_topics(self._connection, self._topics, settings.partitions, settings.replicas)
            self._waiting.end()
            for line in self._plan.welcome:
                self._live_view.say(line)
            async with self._outputs(partitions) as outputs:
                # until here a signal ends it at once: there is nothing yet that has to be stopped in good order
                wish.on_stop = lambda: loop.call_soon_threadsafe(stop.set)
                self._worker.start()
                self._waiting.now("waiting for the worker to join")
                await self._first_of(
                    self._until(stop), self._watch(), self._show(outputs), self._send(self._plan.lines())
                )
        finally:
            wish.ignore()
            self._waiting.end()
            self._worker.stop()

    async def _first_of(self, *parts: Coroutine[Any, Any, None]) -> None:
        """Run parts until one of them ends, cancel the others, raise what ended it."""
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _until(self, stop: asyncio.Event) -> None:
        """Wait for the wish to stop, and no longer than the plan's duration after the first event."""
        asked = asyncio.ensure_future(stop.wait())
        begun = asyncio.ensure_future(self._begun.wait())
        try:
            await asyncio.wait((asked, begun), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((asked,), timeout=self._plan.duration_s)
        finally:
            asked.cancel()
            begun.cancel()

    async def _watch(self) -> None:
        while self._plan.broker_runs():
            status = self._worker.exit_status
            if status is not None:
                raise PartEndedError(f"the worker ended with status {status}; it last wrote: {self._worker.last_words}")
            await asyncio.sleep(LOOK_EVERY_S)
        raise PartEndedError("Kafka ended")

    async def _send(self, lines: Iterator[Line]) -> None:
        await self._worker_has_joined()
        self._waiting.end()
        self._live_view.head()
        await self._feed.run(self._noting_the_first(lines))
        self._live_view.say(f"all {self._feed.sent} events are sent; Ctrl-C ends")
        await asyncio.Event().wait()

    def _noting_the_first(self, lines: Iterator[Line]) -> Iterator[Line]:
        for line in lines:
            yield line
            self._begun.set()  # it was handed over, since the next one is asked for

    async def _worker_has_joined(self) -> None:
        """Wait for the worker, since a backlog is not read in the order in which it was written to several topics."""
        admin = AIOKafkaAdminClient(**self._connection.client_options())
        try:
            await admin.start()
            while True:
                if await _is_stable(admin, self._plan.settings.group):
                    return
                await asyncio.sleep(LOOK_EVERY_S)
        except KafkaError as error:
            raise Unavailable(f"Kafka at {self._connection.brokers}: {error}") from error
        finally:
            await admin.close()

    async def _show(self, outputs: AIOKafkaConsumer) -> None:
        try:
            async for record in outputs:
                self._live_view.take(record.topic, record.value)
        except KafkaError as error:
            raise Unavailable(f"Kafka at {self._connection.brokers} does not give decisions: {error}") from error

    @asynccontextmanager
    async def _outputs(self, partitions: int) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer of all output topics from where they end now."""
        consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            isolation_level="read_committed",
            enable_auto_commit=False,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=self._connection.message_bytes_max,
        )
        tps = _partitions(self._topics.outputs, partitions)
        consumer.assign(tps)
        try:
            await consumer.start()
            await consumer.seek_to_end(*tps)
            for tp in tps:
                await consumer.position(tp)  # the seek happens when the position is asked for
            yield consumer
        finally:
            await consumer.stop()


def _partitions(topics: Sequence[str], partitions: int) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic in topics for number in range(partitions)]


async def _is_stable(admin: AIOKafkaAdminClient, group: str) -> bool:
    """Whether the group's members have agreed on who reads what."""
    try:
        (described,) = await admin.describe_consumer_groups([group])
    except KafkaError as error:
        if error.retriable:  # a new broker makes the groups' own topic first
            return False
        raise
    return all(state == "Stable" for _, _, state, *_ in described.groups)
