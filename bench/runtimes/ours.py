"""Our runtime with the light job: batches in, one transaction per step, state in checkpoints.

It gives the same guarantees as the product: nothing is lost or published twice. Without Redis, checkpoints are in
memory, and a restart reads the topics again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import orjson
from redis.asyncio import Redis

from bench.light import State, step
from bench.run_spec import Meter, RunSpec, read_spec
from schemas.errors import Fatal
from streams.faust_transport.app import BatchApp, batch_agent, batch_topic, register_transport
from streams.faust_transport.batch import BatchOptions
from streams.faust_transport.runner import run_worker
from streams.kafka.connection import KafkaConnection
from streams.kafka.log import KafkaLog
from streams.kafka.publisher import KafkaPublisher
from streams.memory.store import MemoryState, MemoryStore
from streams.process.clock import SystemClock
from streams.redis.store import RedisStore
from streams.runtime.health import Health
from streams.runtime.ports import TP, Batches, Changes, Incoming, Layout, Outgoing, Store, Stored
from streams.runtime.settings import TaskSettings
from streams.runtime.shared_lock import SharedLock
from streams.runtime.snapshot import Snapshot
from streams.runtime.task import Task
from streams.worker import Tasks

CHECKPOINT_EVERY_US: Final = 5_000_000
STEP_RECORDS_MAX: Final = 10_000


class LightProcessor:
    """The light job of one partition (see `streams.runtime.ports.Processor`)."""

    def __init__(self, partition: int, spec: RunSpec, store: Store, meter: Meter) -> None:
        self._partition = partition
        self._decisions = spec.decisions
        self._store = store
        self._meter = meter
        self._states: dict[bytes, State] = {}
        self._changed: set[bytes] = set()
        self._snapshot = Snapshot(self._states, bytes.decode, orjson.dumps)
        self._emitted: set[str] = set()
        self._outgoing: list[Outgoing] = []
        self._applied: dict[str, dict[str, int]] = {}
        self.all_published = False
        """Whether a step has followed the last event, so that everything is published."""

    def latest_decision(self, record: Stored) -> Outgoing:
        """Fail: no topic is derived from the decisions."""
        raise NotImplementedError

    def first_decision_key(self, record: Stored) -> bytes | None:
        """Fail: no topic is derived from the decisions."""
        raise NotImplementedError

    def forget_positions(self, topics: Collection[str]) -> None:
        """Do nothing: the topic is never recreated."""

    async def begin(self, counts: Mapping[str, Mapping[str, int]] | None) -> None:
        """Continue from the counts of a checkpoint."""
        self._applied = {name: dict(dispositions) for name, dispositions in (counts or {}).items()}

    def restore_output(self, topic: str, record: Stored, recreated: Collection[str] = ()) -> Mapping[str, int]:  # noqa: ARG002 - only one topic
        """Remember a decision that was published after the checkpoint."""
        self._emitted.add(orjson.loads(record.value or b"{}").get("decision_id", ""))
        return {}

    async def apply_restored(self) -> None:
        """Do nothing: decisions that were published are dropped when they are made again."""

    async def process(self, batches: Batches, now: int) -> None:  # noqa: ARG002 - any time is accepted
        """Apply the events."""
        keys = {record.key or b"" for _, records in batches for record in records}
        if absent := [key.decode() for key in keys - self._states.keys()]:
            for name, blob in (await self._store.load(absent)).items():
                self._states[name.encode()] = orjson.loads(blob)
        self._snapshot.before_change(keys)
        self._changed |= keys
        states, made = self._states, len(self._outgoing)
        for tp, records in batches:
            for record in records:
                key = record.key or b""
                states[key], decision = step(states.get(key), record.value or b"")
                if decision is not None:
                    self._outgoing.append(Outgoing(self._decisions, self._partition, key, decision))
            dispositions = self._applied.setdefault(tp.name, {"applied": 0})
            dispositions["applied"] += len(records)
            self._meter.add(len(records), len(self._outgoing) - made)
            made = len(self._outgoing)

    def refuse(self, tp: TP, record: Incoming, reason: str) -> None:
        """Raise `Fatal`: the light job has no dead letters."""
        raise Fatal(f"{tp.name}@{record.offset}: {reason}")

    def defer(self) -> Sequence[str]:
        """Return nothing: decisions are made while processing."""
        return ()

    async def due(self, now: int, limit: int) -> Sequence[str]:  # noqa: ARG002 - no deadlines
        """Return nothing."""
        return ()

    async def expired(self, now: int, limit: int) -> Sequence[str]:  # noqa: ARG002 - nothing expires
        """Return nothing."""
        return ()

    async def evaluate(
        self,
        now: int,  # noqa: ARG002 - no deadlines
        positions: Mapping[str, int],  # noqa: ARG002
        names: Sequence[str],  # noqa: ARG002
    ) -> list[Outgoing]:
        """Return the decisions that have not been published."""
        self.all_published = self._meter.done and not self._outgoing
        outgoing, self._outgoing = self._outgoing, []
        if self._emitted:
            outgoing = [each for each in outgoing if orjson.loads(each.value)["decision_id"] not in self._emitted]
        return outgoing

    def quarantine(self, name: str) -> None:
        """Raise `Fatal`: the light job has nothing to quarantine."""
        raise Fatal(f"{name} cannot be quarantined")

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of applied events by partition."""
        return {name: dict(dispositions) for name, dispositions in self._applied.items()}

    @property
    def is_waiting(self) -> bool:
        """Return False: a store that is away is fatal here."""
        return False

    @property
    def is_full(self) -> bool:
        """Return False: nothing waits."""
        return False

    @property
    def changed(self) -> bool:
        """Whether a job has changed since the last checkpoint."""
        return bool(self._changed)

    def freeze(self) -> Changes:
        """Return the changed jobs."""
        blobs: dict[str, bytes | None] = {}
        changed, self._changed = self._changed, set()
        self._snapshot.begin(changed, blobs)
        return Changes(blobs, {})

    def pack(self, count: int) -> bool:
        """Pack `count` more jobs; return whether all are packed."""
        self._snapshot.advance(count)
        return self._snapshot.complete

    def mark_published(self, now: int) -> None:
        """Do nothing: the meter counts."""

    def mark_saved(self) -> None:
        """Do nothing: all jobs stay in memory."""


def main() -> None:
    """Run a worker until everything is published."""
    spec = read_spec()
    run_worker(lambda: make_app(spec))


def make_app(spec: RunSpec) -> BatchApp:
    """Return the app, composed like the product's worker but with the light job."""
    register_transport()
    connection = KafkaConnection(spec.brokers)
    redis = Redis.from_url(spec.redis_url) if spec.redis_url else None
    meter = Meter(spec.count)
    processors: dict[int, LightProcessor] = {}
    settings = TaskSettings(
        input_topics=(spec.events,),
        internal_topics=(),
        required_topics=(),
        accepts_trimmed=False,
        output_topics=(spec.decisions,),
        decision_topics=(),
        latest_topic=spec.decisions,  # there is no other
        progress_topic=f"{spec.decisions}-progress",
        layout=Layout(1, {}),  # no topics to compare
        step_records_max=STEP_RECORDS_MAX,
        checkpoint_interval=CHECKPOINT_EVERY_US,
        store_retry_s=30.0,
        transaction_timeout_s=30.0,
        version="bench",
    )

    attempts = SharedLock()

    def make_task(partition: int) -> Task:
        store: Store = RedisStore(redis, spec.group, partition) if redis else MemoryStore(MemoryState())
        processors[partition] = LightProcessor(partition, spec, store, meter)
        return Task(
            partition,
            processors[partition],
            settings,
            publisher=KafkaPublisher(connection, f"{spec.group}-{partition}", timeout_s=30),
            log=KafkaLog(connection),
            store=store,
            clock=SystemClock(),
            health=Health(),
            attempts=attempts,
        )

    def on_fatal(error: BaseException) -> None:
        app.on_fatal(error)

    tasks = Tasks(make_task, on_fatal)
    app = BatchApp(
        spec.group,
        broker=f"kafkabatch://{spec.brokers}",
        offset_provider=tasks,
        options=BatchOptions(in_flight_max=STEP_RECORDS_MAX // 1_000 + 2),
        broker_session_timeout=6.0,
        broker_heartbeat_interval=2.0,
    )
    batch_agent(app, batch_topic(app, spec.events), tasks.enqueue, name=spec.events)

    async def end() -> None:
        if processors and all(work.all_published for work in processors.values()):
            meter.report()
            os.kill(os.getpid(), signal.SIGTERM)

    app.timer(0.2)(end)
    return app


if __name__ == "__main__":
    main()
