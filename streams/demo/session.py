"""One run of `sop up` on a running broker: topics, a worker, events going in, decisions coming out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents.sops import catalogue
from schemas.errors import SopError, Unavailable
from streams.config.settings import Settings
from streams.demo.feed import Feed, ScheduledEvent
from streams.demo.live_view import LiveView
from streams.demo.progress_line import ProgressLine
from streams.demo.worker_child import WorkerChild
from streams.kafka.connection import connect_kafka
from streams.kafka.topics import prepare_topics
from streams.process.clock import SystemClock
from streams.process.signals import StopSignals

POLL_S: Final = 0.1
FETCH_WAIT_MS: Final = 100

EventSource = Callable[[], Iterator[ScheduledEvent]]
"""A function that returns the events to send."""


class ProcessEndedError(SopError):
    """The worker or the broker ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What to run.

    `welcome` are lines to print once the broker has answered. `duration_s` counts from the first event (None: until
    stopped). `broker_runs` returns whether the broker is still running.
    """

    welcome: Sequence[str]
    settings: Settings
    events: EventSource
    events_per_s: float
    duration_s: float | None
    broker_runs: Callable[[], bool]


class Session:
    """Runs a worker, feeds events to it and shows its output."""

    def __init__(
        self, options: SessionOptions, live_view: LiveView, progress: ProgressLine, worker: WorkerChild
    ) -> None:
        self._options = options
        self._live_view = live_view
        self._progress = progress
        self._first_sent = asyncio.Event()
        self._worker = worker
        self._connection = connect_kafka(options.settings)
        self._topics = catalogue.topics(options.settings.topic_prefix)
        self._feed = Feed(self._connection, self._topics, SystemClock(), events_per_s=options.events_per_s)

    @property
    def sent(self) -> int:
        """Number of acknowledged events."""
        return self._feed.sent

    async def run(self, stop_signals: StopSignals) -> None:
        """Run until a stop signal, the end of the duration, or a failure; then stop the worker.

        Raises `UsageError` if the broker or the input cannot be used, `ProcessEndedError` if the worker or the broker
        ends by itself, `Unavailable` if the broker stops answering.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            settings = self._options.settings
            self._progress.show("preparing topics")
            partitions = await prepare_topics(self._connection, self._topics, settings.partitions, settings.replicas)
            self._progress.clear()
            for line in self._options.welcome:
                self._live_view.print_line(line)
            async with self._outputs(partitions) as outputs:
                # until here a signal may end the process at once, because nothing needs an orderly stop yet
                stop_signals.on_stop = lambda: loop.call_soon_threadsafe(stop.set)
                self._worker.start()
                self._progress.show("waiting for the worker to join")
                await self._first_of(
                    self._stop_requested(stop),
                    self._watch_processes(),
                    self._show_outputs(outputs),
                    self._send(self._options.events()),
                )
        finally:
            stop_signals.ignore()
            self._progress.clear()
            self._worker.stop()

    async def _first_of(self, *coroutines: Coroutine[Any, Any, None]) -> None:
        """Run coroutines until one ends, cancel the others, and raise its exception if it failed."""
        tasks = [asyncio.ensure_future(each) for each in coroutines]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _stop_requested(self, stop: asyncio.Event) -> None:
        """Wait for a stop signal, or for the duration after the first event."""
        stopped = asyncio.ensure_future(stop.wait())
        first_sent = asyncio.ensure_future(self._first_sent.wait())
        try:
            await asyncio.wait((stopped, first_sent), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((stopped,), timeout=self._options.duration_s)
        finally:
            stopped.cancel()
            first_sent.cancel()

    async def _watch_processes(self) -> None:
        while self._options.broker_runs():
            status = self._worker.exit_status
            if status is not None:
                raise ProcessEndedError(
                    f"the worker ended with status {status}; it last wrote: {self._worker.last_log_line}"
                )
            await asyncio.sleep(POLL_S)
        raise ProcessEndedError("Kafka ended")

    async def _send(self, events: Iterator[ScheduledEvent]) -> None:
        await self._wait_for_worker()
        self._progress.clear()
        self._live_view.print_header()
        await self._feed.run(self._mark_first(events))
        self._live_view.print_line(f"all {self._feed.sent} events are sent; press Ctrl-C to stop")
        await asyncio.Event().wait()

    def _mark_first(self, events: Iterator[ScheduledEvent]) -> Iterator[ScheduledEvent]:
        for event in events:
            yield event
            self._first_sent.set()  # the feed asks for the next event once it has sent this one

    async def _wait_for_worker(self) -> None:
        """Wait until the worker has joined: it would not read a backlog of several topics in the order of sending."""
        admin = AIOKafkaAdminClient(**self._connection.client_options())
        try:
            await admin.start()
            while True:
                if await _is_stable(admin, self._options.settings.group):
                    return
                await asyncio.sleep(POLL_S)
        except KafkaError as error:
            raise Unavailable(f"Kafka at {self._connection.brokers}: {error}") from error
        finally:
            await admin.close()

    async def _show_outputs(self, outputs: AIOKafkaConsumer) -> None:
        try:
            async for record in outputs:
                self._live_view.add(record.topic, record.value)
        except KafkaError as error:
            raise Unavailable(f"Kafka at {self._connection.brokers} does not return decisions: {error}") from error

    @asynccontextmanager
    async def _outputs(self, partitions: int) -> AsyncIterator[AIOKafkaConsumer]:
        """Yield a consumer of all output topics that starts at their current ends."""
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
                await consumer.position(tp)  # the seek is lazy
            yield consumer
        finally:
            await consumer.stop()


def _partitions(topics: Sequence[str], partitions: int) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic in topics for number in range(partitions)]


async def _is_stable(admin: AIOKafkaAdminClient, group: str) -> bool:
    """Return whether the group has finished its rebalance."""
    try:
        (described,) = await admin.describe_consumer_groups([group])
    except KafkaError as error:
        if error.retriable:  # a new broker creates the offsets topic first
            return False
        raise
    return all(state == "Stable" for _, _, state, *_ in described.groups)
