"""One run of `sop up` on a running broker: topics, a worker, a console, events going in, decisions coming out."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agents.sops import catalogue
from schemas.errors import SopError, Unavailable
from streams.config.settings import Settings, environment_with
from streams.demo.console import DemoConsole, last_line
from streams.demo.feed import Feed, ScheduledEvent
from streams.demo.live_view import LiveView, ProgressLine
from streams.embedded_kafka.broker import EmbeddedKafka
from streams.embedded_kafka.free_ports import HOST, free_port
from streams.kafka.connection import connect_kafka
from streams.kafka.topic_setup import topic_targets
from streams.kafka.topics import prepare_topics
from streams.process.child import ChildProcess
from streams.process.clock import SystemClock
from streams.process.first_of import first_of
from streams.process.signals import StopSignals

WORKER_LOG: Final = "worker.log"
WORKER_COMMAND: Final = (sys.executable, "-m", "sop", "worker")
WORKER_STOP_S: Final = 2.5
POLL_S: Final = 0.1
FETCH_WAIT_MS: Final = 100

EventSource = Callable[[], Iterator[ScheduledEvent]]
"""A function that returns the events to send."""


class ProcessEndedError(SopError):
    """The worker or the broker ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The options of `sop up`.

    `duration` (seconds) counts from the first event (None: until stopped). `speed` is in events per second.
    """

    data: Path | None
    duration: float | None
    input_file: str | None
    brokers: str | None
    jobs: int
    seed: int
    speed: float


@dataclass(kw_only=True, eq=False)
class Session:
    """Runs a worker and a console, feeds events to the worker and shows its output.

    `kafka` is the embedded broker (None: another one). `folder` has the worker's log, and all of the console.
    """

    options: DemoOptions
    settings: Settings
    events: EventSource
    kafka: EmbeddedKafka | None
    folder: Path
    live_view: LiveView
    progress: ProgressLine

    def __post_init__(self) -> None:
        self._worker_log = self.folder / WORKER_LOG
        self._stop = asyncio.Event()
        self._connection = connect_kafka(self.settings)
        self._topics = catalogue.topics(self.settings.topic_prefix)
        self.feed = Feed(self._connection, self._topics, SystemClock(), events_per_s=self.options.speed)

    async def run(self, stop_signals: StopSignals) -> None:
        """Run until a stop signal, the end of the duration, or a failure; then stop the worker and the console.

        Raises `UsageError` if the broker or the input cannot be used, `ProcessEndedError` if the worker or the broker
        ends by itself, `Unavailable` if the broker stops answering.
        """
        loop = asyncio.get_running_loop()
        worker = console = None
        try:
            self.progress.show("preparing topics")
            settings = self.settings
            partitions = await prepare_topics(self._connection, self._topics, topic_targets(settings))
            self.progress.clear()
            for line in self._welcome():
                self.live_view.print_line(line)
            async with self._outputs(partitions) as outputs:
                # until here a signal may end the process at once, because nothing needs an orderly stop yet
                stop_signals.on_stop = lambda: loop.call_soon_threadsafe(self._stop.set)
                metrics = settings.metrics_listen or f"{HOST}:{free_port()}"
                environment = environment_with(replace(settings, metrics_listen=metrics))
                worker = ChildProcess(WORKER_COMMAND, self._worker_log, env=environment)
                console = DemoConsole(replace(settings, console_workers=(metrics,)), self.folder)
                self.progress.show("waiting for the worker to join")
                await first_of(
                    self._stop.wait(),
                    self._watch_processes(worker),
                    console.announce(self.live_view.print_line),
                    self._show_outputs(outputs),
                    self._send(self.events()),
                )
        finally:
            stop_signals.ignore()
            self.progress.clear()
            if worker is not None:
                worker.stop(WORKER_STOP_S)
            if console is not None:
                console.stop()

    def _welcome(self) -> Iterator[str]:
        """Yield lines to print once the broker has answered."""
        data = f", its data in {self.options.data}" if self.options.data else ""
        yield f"Kafka is at {self.settings.brokers}{data}"
        yield f"look in:  kcat -b {self.settings.brokers} -C -e -t {self._topics.decision('paf')} -f '%k %s\\n'"

    async def _watch_processes(self, worker: ChildProcess) -> None:
        while self.kafka is None or self.kafka.alive:
            if (status := worker.exit_status) is not None:
                wrote = last_line(self._worker_log)
                raise ProcessEndedError(f"the worker ended with status {status}; it last wrote: {wrote}")
            await asyncio.sleep(POLL_S)
        raise ProcessEndedError("Kafka ended")

    async def _send(self, events: Iterator[ScheduledEvent]) -> None:
        await self._wait_for_worker()
        self.progress.clear()
        self.live_view.print_header()
        await self.feed.run(self._start_duration(events))
        self.live_view.print_line(f"all {self.feed.sent} events are sent; press Ctrl-C to stop")
        await asyncio.Event().wait()

    def _start_duration(self, events: Iterator[ScheduledEvent]) -> Iterator[ScheduledEvent]:
        """Yield the events, and have the session stop the duration after the first."""
        for first in islice(events, 1):
            yield first
            if self.options.duration is not None:  # the feed asks for the next event once it has sent this one
                asyncio.get_running_loop().call_later(self.options.duration, self._stop.set)
        yield from events

    async def _wait_for_worker(self) -> None:
        """Wait until the worker has joined: it would not read a backlog of several topics in the order of sending."""
        admin = AIOKafkaAdminClient(**self._connection.client_options())
        try:
            await admin.start()
            while True:
                try:
                    (described,) = await admin.describe_consumer_groups([self.settings.group])
                    if all(state == "Stable" for _, _, state, *_ in described.groups):
                        return
                except KafkaError as error:
                    if not error.retriable:  # a new broker creates the offsets topic first
                        raise
                await asyncio.sleep(POLL_S)
        except KafkaError as error:
            raise Unavailable(f"Kafka at {self._connection.brokers}: {error}") from error
        finally:
            await admin.close()

    async def _show_outputs(self, outputs: AIOKafkaConsumer) -> None:
        try:
            async for record in outputs:
                self.live_view.add(record.topic, record.value)
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
        tps = [TopicPartition(topic, number) for topic in self._topics.outputs for number in range(partitions)]
        consumer.assign(tps)
        try:
            await consumer.start()
            await consumer.seek_to_end(*tps)
            for tp in tps:
                await consumer.position(tp)  # the seek is lazy
            yield consumer
        finally:
            await consumer.stop()
