"""The worker: a Faust app on the batch transport, with one task for each partition number assigned to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from typing import NoReturn
from weakref import WeakValueDictionary
from zlib import crc32

from faust.types import TP as FaustTP  # noqa: N811 - ours has the same name

from agents.sops import catalogue as sops
from schemas.codec.schema_ids import SchemaIds
from schemas.errors import Fatal
from schemas.policy.model import PolicySet
from schemas.timestamps import SECOND_US
from schemas.topics import Topics
from streams.config.settings import Settings
from streams.faust_transport.app import BatchApp, batch_agent, batch_topic, faust_credentials, register_transport
from streams.faust_transport.batch import Batch, BatchOptions
from streams.faust_transport.blocked_inputs import BlockedInputs
from streams.faust_transport.membership import Refusal
from streams.faust_transport.runner import run_worker
from streams.kafka.checks import check_rights, check_topics, dead_letter_bytes_max
from streams.kafka.connection import KafkaConnection, connect_kafka
from streams.kafka.log import KafkaLog
from streams.kafka.publisher import KafkaPublisher
from streams.kafka.topic_setup import topic_targets
from streams.kafka.topics import TopicLayout, prepare_topics, read_layout
from streams.memory.store import MemoryState, MemoryStore
from streams.metrics.collector import TaskSnapshot
from streams.metrics.endpoints import WorkerEndpoints
from streams.metrics.server import MetricsServer
from streams.operations.published_policies import worker_policies
from streams.policies.source import PolicySource
from streams.process.clock import SystemClock
from streams.processor.output_counts import OutputCounts
from streams.processor.processor import SopProcessor
from streams.processor.refusal_limit import RefusalLimits
from streams.processor.retention import RetentionRules
from streams.processor.settings import ProcessorSettings
from streams.redis.checks import check_redis
from streams.redis.connection import connect_redis
from streams.redis.store import RedisStore
from streams.runtime.circuit_breaker import CircuitBreaker
from streams.runtime.health import Health
from streams.runtime.layout import LOOK_EVERY_S, LayoutWatch
from streams.runtime.ports import TP, Layout, Store
from streams.runtime.settings import TaskSettings
from streams.runtime.shared_lock import SharedLock
from streams.runtime.task import Task
from streams.runtime.watchdog import Watchdog, WatchLimits
from streams.tracing.extra import TracerOf, open_traces, untraced

STOP_S = 20.0
REQUEST_S = 40.0
"""How long an answer of the broker may take: longer than a member needs to release its partitions while others join."""
REDIS_WAIT_TIMEOUTS = 4
"""How many Redis time-outs to wait for Redis at the start."""
STORE_RETRY_PART = 0.5
"""How long to wait for the store, as a fraction of the time without a checkpoint that the watchdog allows."""

logger = logging.getLogger("sop.worker")


class Tasks:
    """The tasks of the assigned partitions, by number; gives the transport their positions (`OffsetProvider`).

    `make_task` makes the task of a number; `on_fatal` receives the error with which a task ended.
    """

    def __init__(self, make_task: Callable[[int], Task], on_fatal: Callable[[BaseException], None]) -> None:
        self._make_task = make_task
        self._on_fatal = on_fatal
        self._tasks: dict[int, Task] = {}
        self._is_assigned = False
        self._running: dict[int, asyncio.Task[None]] = {}

    def health(self) -> dict[int, Health]:
        """Return the signs of life of the tasks."""
        return {number: task.health for number, task in self._tasks.items()}

    def all(self) -> Mapping[int, Task] | None:
        """Return the tasks, by partition number; None while nothing is assigned, not even no partition."""
        return self._tasks if self._is_assigned else None

    async def on_assigned(self, tps: frozenset[FaustTP]) -> Mapping[FaustTP, int]:
        """Recover a task for each partition number; return where to read from."""
        numbers = sorted({tp.partition for tp in tps})
        self._tasks = {number: self._make_task(number) for number in numbers}
        self._is_assigned = True
        positions: dict[FaustTP, int] = {}
        for recovered in await asyncio.gather(*(task.recover() for task in self._tasks.values())):
            positions.update({FaustTP(tp.topic, tp.partition): at for tp, at in recovered.items()})
        for number, task in self._tasks.items():
            self._running[number] = asyncio.create_task(task.run(), name=f"task-{number}")
            self._running[number].add_done_callback(self._ended)
        logger.info("partitions %s", ", ".join(map(str, numbers)) or "none")
        return positions

    async def on_revoked(self, tps: frozenset[FaustTP]) -> None:  # noqa: ARG002 - always the whole assignment
        """Finish the current steps, save and disconnect."""
        for task in self._tasks.values():
            task.finish()
        await asyncio.gather(*self._running.values())
        await asyncio.gather(*(task.stop() for task in self._tasks.values()))
        self._tasks, self._running, self._is_assigned = {}, {}, False

    def wants_more(self, tp: FaustTP) -> bool:
        """Return whether the task of a partition wants more of it."""
        task = self._tasks.get(tp.partition)
        return task is None or task.wants_more(TP(*tp))

    def committable(self, tp: FaustTP) -> int | None:
        """Return the offset before which a checkpoint holds the effect of every record."""
        task = self._tasks.get(tp.partition)
        return task.committable.get(TP(*tp)) if task else None

    def on_position(self, tp: FaustTP, offset: int) -> None:
        """Tell the task of a partition at which offset reading continues."""
        if task := self._tasks.get(tp.partition):
            task.advance(TP(*tp), offset)

    def on_offsets_deleted(self, tp: FaustTP, first: int, end: int) -> None:
        """Skip deleted offsets of a partition; raises `Fatal` unless the settings accept that."""
        self._tasks[tp.partition].skip_deleted(TP(*tp), first, end)

    def enqueue(self, batch: Batch) -> None:
        """Give a batch to its task."""
        self._tasks[batch.tp.partition].enqueue(TP(*batch.tp), batch.records, batch.done)

    def _ended(self, running: asyncio.Task[None]) -> None:
        if not running.cancelled() and (error := running.exception()) is not None:
            self._on_fatal(error)


def run(settings: Settings, in_files: PolicySet) -> NoReturn:
    """Run a worker until SIGTERM or SIGINT; never returns. `in_files` are the policies that are not published.

    Raises `UsageError` before anything starts when Kafka or Redis cannot be used.
    """
    connection = connect_kafka(settings)
    topics = sops.topics(settings.topic_prefix, settings.written_prefix)
    with ExitStack() as stack:
        listen = settings.metrics_listen
        metrics = stack.enter_context(MetricsServer(listen)) if listen else None
        tracer_of = stack.enter_context(open_traces(settings))
        client_logger = logging.getLogger("aiokafka")
        client_logger.setLevel(logging.CRITICAL)  # our own error is one line
        layout, sizes = asyncio.run(_prepare(settings, connection, topics))
        client_logger.setLevel(logging.NOTSET)
        policies = asyncio.run(worker_policies(settings, connection, topics, in_files))
        app = partial(make_app, settings, policies, connection, topics, layout, sizes, tracer_of, metrics)
        run_worker(app, stop_s=STOP_S)


async def _prepare(settings: Settings, connection: KafkaConnection, topics: Topics) -> tuple[Layout, Mapping[str, int]]:
    """Return the topics' layout and the largest record that each takes (`CheckedTopics.sizes`)."""
    redis = connect_redis(settings)
    if redis is not None:
        try:
            await check_redis(redis, REDIS_WAIT_TIMEOUTS * settings.redis_timeout_s)
        finally:
            await redis.aclose()
    await check_rights(connection, topics, group=settings.workers_group, transactional_id=f"{settings.namespace}-0")
    await prepare_topics(connection, topics, targets := topic_targets(settings))
    layout = await read_layout(connection, topics.all)  # waits until the brokers know every topic and its size limit
    checked = await check_topics(connection, topics, targets)
    for warning in checked.warnings:
        logger.warning("%s", warning)
    return layout, checked.sizes


def version_with(sizes: Mapping[str, int]) -> str:
    """Return the version of a worker with these record sizes: its release and a checksum of the sizes.

    Quarantined names are tried again after an upgrade, and after a topic has been changed to take larger records.
    """
    text = ",".join(f"{name}={size}" for name, size in sorted(sizes.items()))
    return f"{version('sop-streams')}+{crc32(text.encode()):08x}"


def task_settings(settings: Settings, topics: Topics, layout: Layout, worker: str) -> TaskSettings:
    """Return the settings of all tasks; `worker` is the worker's version (`version_with`)."""
    return TaskSettings(
        input_topics=topics.consumed,
        internal_topics=topics.internal,
        # location reports expire soon anyway, and presence answers contain what follows; watches only raise alerts
        required_topics=(*(topic for topic in topics.inputs if topic != topics.locations), topics.cases),
        accepts_trimmed=settings.accept_trimmed_inputs,
        output_topics=topics.outputs,
        decision_topics=topics.decisions,
        latest_topic=topics.latest,
        progress_topic=topics.progress,
        layout=layout,
        step_records_max=settings.step_records_max,
        checkpoint_interval=int(settings.checkpoint_interval_s * SECOND_US),
        store_retry_s=STORE_RETRY_PART * settings.unsaved_s_max,
        transaction_timeout_s=settings.transaction_timeout_s,
        version=worker,
    )


def processor_settings(
    settings: Settings, topics: Topics, policies: PolicySource, partitions: int, sizes: Mapping[str, int]
) -> ProcessorSettings:
    """Return the settings of all processors; `sizes` are `CheckedTopics.sizes`."""
    return ProcessorSettings(
        topics=topics,
        partitions=partitions,
        policies=policies,
        limits=settings.limits,
        facts_per_case_max=settings.facts_per_case_max,
        cached_cases_max=settings.cached_cases_max,
        refusal_limits=refusal_limits(settings),
        retention=retention_rules(settings),
        dead_letter_bytes_max=dead_letter_bytes_max(sizes, topics),
        schema_ids=SchemaIds(settings.schema_base_url),
    )


def watch_limits(settings: Settings) -> WatchLimits:
    """Return the watchdog's limits."""
    return WatchLimits(
        loop_s=settings.loop_stall_s_max, progress_s=settings.step_stall_s_max, unsaved_s=settings.unsaved_s_max
    )


def refusal_limits(settings: Settings) -> RefusalLimits:
    """Return how many records may be refused before the worker stops."""
    return RefusalLimits(
        run_max=settings.refused_run_max,
        share_max=settings.refused_share_max,
        window_records=settings.refused_window_records,
    )


def retention_rules(settings: Settings) -> RetentionRules:
    """Return how long settled cases are kept."""
    return RetentionRules(
        case=round(settings.case_retention * SECOND_US), memory=round(settings.case_memory * SECOND_US)
    )


class TaskMaker:
    """Makes a task each time a partition number is assigned; `sizes` are `CheckedTopics.sizes`."""

    def __init__(
        self,
        settings: Settings,
        policies: PolicySource,
        connection: KafkaConnection,
        topics: Topics,
        layout: Layout,
        sizes: Mapping[str, int],
        tracer_of: TracerOf = untraced,
    ) -> None:
        self._tracer_of = tracer_of
        self.processors: WeakValueDictionary[int, SopProcessor] = WeakValueDictionary()
        """The processors of the present tasks, by number."""
        self.counts = OutputCounts()
        """What all tasks have published since the start."""
        self._settings = settings
        self._connection = connection
        self._processor_settings = processor_settings(settings, topics, policies, layout.partitions, sizes)
        self._task_settings = task_settings(settings, topics, layout, version_with(sizes))
        self._namespace = settings.namespace
        self._redis = connect_redis(settings)
        self._memory: dict[int, MemoryState] = {}
        self._attempts = SharedLock()

    def make(self, partition: int) -> Task:
        """Return a task that has yet to recover; raises `Fatal` for a number that did not exist at the start."""
        if partition >= (known := self._task_settings.layout.partitions):
            raise Fatal(
                f"the topics have more partitions now than when this worker started ({known}); after a restart the "
                "worker says how to go on"
            )
        health, timeout_s = Health(), self._settings.transaction_timeout_s
        store = CircuitBreaker(self._store(partition), name=f"partition {partition}")
        tracer = self._tracer_of(partition)
        processor = SopProcessor(partition, self._processor_settings, store, self.counts, tracer)
        self.processors[partition] = processor
        return Task(
            partition,
            processor,
            self._task_settings,
            publisher=KafkaPublisher(self._connection, f"{self._namespace}-{partition}", timeout_s=timeout_s),
            log=KafkaLog(self._connection),
            store=store,
            clock=SystemClock(),
            health=health,
            attempts=self._attempts,
        )

    def _store(self, partition: int) -> Store:
        if self._redis is not None:
            return RedisStore(self._redis, self._namespace, partition)
        return MemoryStore(self._memory.setdefault(partition, MemoryState()))


def make_app(
    settings: Settings,
    policies: PolicySource,
    connection: KafkaConnection,
    topics: Topics,
    layout: Layout,
    sizes: Mapping[str, int],
    tracer_of: TracerOf = untraced,
    metrics: MetricsServer | None = None,
) -> BatchApp:
    """Compose the Faust app: an agent for each input topic, and the tasks behind them.

    `sizes` are `CheckedTopics.sizes`.
    """
    register_transport()
    maker = TaskMaker(settings, policies, connection, topics, layout, sizes, tracer_of)

    def on_fatal(error: BaseException) -> None:
        app.on_fatal(error)

    tasks = Tasks(maker.make, on_fatal)
    app = BatchApp(
        settings.workers_group,
        broker=";".join(f"kafkabatch://{broker}" for broker in settings.brokers.split(",")),
        offset_provider=tasks,
        options=BatchOptions(),
        broker_credentials=faust_credentials(connection.security),
        broker_request_timeout=max(REQUEST_S, settings.session_timeout_s),
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 3,
        broker_commit_interval=settings.checkpoint_interval_s,  # offsets advance with checkpoints only
    )
    watchdog = Watchdog(watch_limits(settings), tasks.health, lambda: _describe(app.refusal(), settings))
    watchdog.start(app.loop)
    for topic in topics.consumed:
        batch_agent(app, batch_topic(app, topic), tasks.enqueue, name=topic)
    watch, blocked = LayoutWatch(TopicLayout(connection, topics.all).read, layout), BlockedInputs()

    async def look_at_topics() -> None:
        blocked.look({tp: each for tp, each in app.end_offsets().items() if tp.topic in topics.inputs}, app.loop.time())
        await policies.look()
        try:
            await watch.look()
        except Fatal as error:
            on_fatal(error)

    app.timer(LOOK_EVERY_S)(look_at_topics)
    if metrics is not None:
        endpoints = WorkerEndpoints(
            loop=app.loop,
            snapshots=lambda: _snapshots(app, tasks, maker.processors),
            counts=maker.counts,
            policies=policies,
            refusal=lambda: _describe(app.refusal(), settings),
            is_watched=watchdog.is_running,
        )
        metrics.serve(endpoints.metrics, endpoints.checks)
    return app


def _describe(refusal: Refusal | None, settings: Settings) -> str | None:
    """Return why the worker is no member of its group and what to do about it; None if it is one."""
    if refusal is None:
        return None
    advice = {
        "INCONSISTENT_GROUP_PROTOCOL": "stop its other members, including workers of version 0.1, or use another group",
        "INVALID_SESSION_TIMEOUT": f"SOP_SESSION_TIMEOUT_S is {settings.session_timeout_s:g}, "
        "the broker's group.min.session.timeout.ms and group.max.session.timeout.ms are its limits",
        "GROUP_MAX_SIZE_REACHED": "run fewer workers, or raise the broker's group.max.size",
        "GROUP_AUTHORIZATION_FAILED": "its user needs Read on the group",
    }.get(refusal.name)
    reason = f"SOP_GROUP={settings.group}: {refusal.text}{f' ({refusal.name})' if refusal.name else ''}"
    return f"{reason}; {advice}" if advice else reason


def _snapshots(app: BatchApp, tasks: Tasks, processors: Mapping[int, SopProcessor]) -> list[TaskSnapshot] | None:
    """Return what the metrics of each task are made from, None before there is any; call it in the event loop."""
    found = tasks.all()
    if found is None:
        return None
    ends = {TP(*tp): end.last for tp, end in app.end_offsets().items()}
    return [
        TaskSnapshot(
            number=number,
            metrics=task.metrics,
            progress=task.progress(),
            health=task.health,
            state_size=processors[number].state_size(),
            ends={tp.name: end for tp, end in ends.items() if tp.partition == number},
            is_ready=task.is_ready,
        )
        for number, task in found.items()
    ]
