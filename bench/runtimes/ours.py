"""Our runtime with the light job as its work: batches in, one transaction per step, state in checkpoints.

State and outputs stand as with the rules of the product: nothing lost, nothing said twice. Without Redis the
checkpoints are in memory and a restart reads the topics again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import orjson
from redis.asyncio import Redis

from bench.assignment import Assignment, Meter, assigned
from bench.light import State, step
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


class LightWork:
    """The light job of one partition number (see `streams.runtime.ports.Processor`)."""

    def __init__(self, partition: int, task: Assignment, store: Store, meter: Meter) -> None:
        """Take the partition number, where decisions go, where state is kept and who counts."""
        self._partition = partition
        self._decisions = task.decisions
        self._store = store
        self._meter = meter
        self._states: dict[bytes, State] = {}
        self._changed: set[bytes] = set()
        self._snapshot = Snapshot(self._states, bytes.decode, orjson.dumps)
        self._said: set[str] = set()
        self._outgoing: list[Outgoing] = []
        self._applied: dict[str, dict[str, int]] = {}
        self.at_rest = False
        """Whether a step came after the last event, so that everything is published."""

    def forget_positions(self, topics: Collection[str]) -> None:
        """Forget nothing: the topic is never created again."""

    async def begin(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Go on from the counts of a checkpoint."""
        self._applied = {name: dict(dispositions) for name, dispositions in counts.items()}

    def restore_output(self, topic: str, record: Stored, former: Collection[str] = ()) -> Mapping[str, int]:  # noqa: ARG002 - there is one topic
        """Remember a decision emitted since the checkpoint."""
        self._said.add(orjson.loads(record.value or b"{}").get("decision_id", ""))
        return {}

    async def apply_restored(self) -> None:
        """Nothing is left to do: what was said is left out when it is made again."""

    async def process(self, batches: Batches, now: int) -> None:  # noqa: ARG002 - any instant is accepted
        """Step through the events."""
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
        """Stop: the light job has no dead letters."""
        raise Fatal(f"{tp.name}@{record.offset}: {reason}")

    def defer(self) -> Sequence[str]:
        """Return nothing: what is deferred here is a decision made."""
        return ()

    async def due(self, now: int, limit: int) -> Sequence[str]:  # noqa: ARG002 - no deadlines
        """Return nothing."""
        return ()

    async def expired(self, now: int, limit: int) -> Sequence[str]:  # noqa: ARG002 - nothing leaves
        """Return nothing."""
        return ()

    async def evaluate(
        self,
        now: int,  # noqa: ARG002 - no deadlines
        positions: Mapping[str, int],  # noqa: ARG002
        names: Sequence[str],  # noqa: ARG002
    ) -> list[Outgoing]:
        """Return the decisions that were not emitted before."""
        self.at_rest = self._meter.done and not self._outgoing
        outgoing, self._outgoing = self._outgoing, []
        if self._said:
            outgoing = [each for each in outgoing if orjson.loads(each.value)["decision_id"] not in self._said]
        return outgoing

    def quarantine(self, name: str) -> None:
        """Stop: nothing here has a name."""
        raise Fatal(f"{name} cannot be set aside")

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many events were applied."""
        return {name: dict(dispositions) for name, dispositions in self._applied.items()}

    @property
    def changed(self) -> bool:
        """Whether some job changed since the last checkpoint."""
        return bool(self._changed)

    def freeze(self) -> Changes:
        """Return the jobs that changed."""
        blobs: dict[str, bytes | None] = {}
        changed, self._changed = self._changed, set()
        self._snapshot.begin(changed, blobs)
        return Changes(blobs, {})

    def pack(self, count: int) -> bool:
        """Pack so many more jobs."""
        self._snapshot.advance(count)
        return self._snapshot.complete

    def mark_saved(self) -> None:
        """All jobs stay in memory."""


def main() -> None:
    """Run a worker until everything is published."""
    task = assigned()
    run_worker(lambda: make_app(task))


def make_app(task: Assignment) -> BatchApp:
    """Compose the app as the product's worker does, with other work."""
    register_transport()
    connection = KafkaConnection(task.brokers)
    redis = Redis.from_url(task.redis_url) if task.redis_url else None
    meter = Meter(task.count)
    works: dict[int, LightWork] = {}
    settings = TaskSettings(
        input_topics=(task.events,),
        internal_topics=(),
        required_topics=(),
        accepts_trimmed=False,
        output_topics=(task.decisions,),
        progress_topic=f"{task.decisions}-progress",
        layout=Layout(1, {}),  # it has no topic in which partitions differ
        step_records_max=STEP_RECORDS_MAX,
        checkpoint_interval=CHECKPOINT_EVERY_US,
        transaction_timeout_s=30.0,
        version="bench",
    )

    attempts = SharedLock()

    def make_task(partition: int) -> Task:
        store: Store = RedisStore(redis, task.group, partition) if redis else MemoryStore(MemoryState())
        works[partition] = LightWork(partition, task, store, meter)
        return Task(
            partition,
            works[partition],
            settings,
            publisher=KafkaPublisher(connection, f"{task.group}-{partition}", timeout_s=30),
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
        task.group,
        broker=f"kafkabatch://{task.brokers}",
        offset_provider=tasks,
        options=BatchOptions(),
        broker_session_timeout=6.0,
        broker_heartbeat_interval=2.0,
    )
    batch_agent(app, batch_topic(app, task.events), tasks.enqueue, name=task.events)

    async def end() -> None:
        if works and all(work.at_rest for work in works.values()):
            meter.report()
            os.kill(os.getpid(), signal.SIGTERM)

    app.timer(0.2)(end)
    return app


if __name__ == "__main__":
    main()
