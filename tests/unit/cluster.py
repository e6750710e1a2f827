"""A task with a fake processor over a simulated Kafka, and what its tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from schemas.errors import InvalidMessage
from streams.memory.store import MemoryState, MemoryStore
from streams.runtime.health import Health
from streams.runtime.ports import TP, Batches, Changes, Incoming, Layout, Outgoing, Stored
from streams.runtime.settings import TaskSettings
from streams.runtime.shared_lock import SharedLock
from streams.runtime.task import Task
from tests.simulation.kafka import SimulatedKafka, SimulatedLog, SimulatedPublisher

JOBS, TICKETS, ANSWERS, DECISIONS = TP("jobs", 0), TP("tickets", 0), TP("answers", 0), TP("decisions", 0)
SETTINGS = TaskSettings(
    input_topics=("jobs", "tickets", "answers"),
    internal_topics=("answers",),
    required_topics=("jobs",),
    accepts_trimmed=False,
    output_topics=("decisions",),
    decision_topics=("decisions",),
    latest_topic="latest",
    progress_topic="progress",
    layout=Layout(1, {"jobs": "J", "tickets": "T", "answers": "A", "decisions": "S"}),
    step_records_max=10,
    checkpoint_interval=0,
    store_retry_s=10.0,
    transaction_timeout_s=30.0,
    version="1",
)


FOREIGN = b"foreign"


class Echo:
    """A processor that publishes every value it processes, and keeps what it is called with."""

    def __init__(self) -> None:
        self.processed: list[bytes] = []
        self.restored: list[bytes] = []
        self.recreated_of: dict[bytes, set[str]] = {}
        """The recreated topics that were given with a restored value."""
        self.processed_at: list[int] = []
        self.evaluated_at: list[int] = []
        self.has_evaluated = asyncio.Event()
        self.steps: list[list[bytes]] = []
        self.calls_to_pack = 1
        """How many calls it takes to pack a checkpoint."""
        self.expires: list[str] = []
        self.expired_calls: list[int] = []
        self.is_waiting = self.is_full = False
        self._left = 0
        self._new: list[bytes] = []
        self._changed = False

    async def begin(self, counts: Mapping[str, Mapping[str, int]] | None) -> None:
        self.begun = counts

    def restore_output(self, topic: str, record: Stored, recreated: Collection[str] = ()) -> Mapping[str, int]:
        assert topic in SETTINGS.output_topics
        if record.value == FOREIGN:
            raise InvalidMessage("value: foreign")
        self.restored.append(record.value or b"")
        self.recreated_of[record.value or b""] = set(recreated)
        return {}

    async def apply_restored(self) -> None:
        return

    def forget_positions(self, topics: Collection[str]) -> None:
        self.forgotten = set(topics)

    async def process(self, batches: Batches, now: int) -> None:
        self.processed_at.append(now)
        if batches:
            self.steps.append([record.value or b"" for _, records in batches for record in records])
        for _, records in batches:
            values = [record.value or b"" for record in records]
            self._new += values
            self.processed += values
        self._changed = self._changed or bool(batches)

    def refuse(self, tp: TP, record: Incoming, reason: str) -> None:
        self._new.append(f"{tp.name}@{record.offset} {reason}".encode())

    def defer(self) -> Sequence[str]:
        return ()

    async def due(self, now: int, limit: int) -> Sequence[str]:  # noqa: ARG002 - the port's
        return ()

    async def expired(self, now: int, limit: int) -> Sequence[str]:
        self.expired_calls.append(now)
        return [name for name in self.expires if limit]

    def mark_published(self, now: int) -> None:  # noqa: ARG002 - the port's
        return

    def quarantine(self, name: str) -> None:
        raise AssertionError(name)

    def latest_decision(self, record: Stored) -> Outgoing:
        if record.value is None or record.value == FOREIGN:
            raise InvalidMessage("value: foreign")
        return Outgoing("latest", 0, record.value[:1], record.value)

    def first_decision_key(self, record: Stored) -> bytes | None:
        latest = self.latest_decision(record)
        return latest.key if latest.value and latest.value.endswith(b"1") else None

    async def evaluate(self, now: int, positions: Mapping[str, int], names: Sequence[str]) -> list[Outgoing]:  # noqa: ARG002
        self.evaluated_at.append(now)
        self.has_evaluated.set()
        self.positions = dict(positions)
        outputs = [Outgoing("decisions", 0, b"", value) for value in self._new]
        self._new = []
        return outputs

    def counts(self) -> dict[str, dict[str, int]]:
        return {}

    @property
    def changed(self) -> bool:
        return self._changed

    def freeze(self) -> Changes:
        self._changed = False
        self._left = self.calls_to_pack
        return Changes({"taken": b",".join(self.processed)}, {})

    def pack(self, count: int) -> bool:
        assert count > 0
        self._left -= 1
        return self._left <= 0

    def mark_saved(self) -> None:
        return


class StoppedClock:
    def __init__(self, now: int) -> None:
        self.now = now

    def now_us(self) -> int:
        return self.now


class Cluster:
    """A broker and a store for one owner after another; `values` are those of the records on `JOBS`."""

    def __init__(self, *values: bytes) -> None:
        self.kafka = SimulatedKafka()
        for value in values:
            self.kafka.append(JOBS, b"", value)
        self.state = MemoryState()

    def owner(
        self,
        now: int = 100,
        *,
        partition: int = 0,
        saves: bool = True,
        processor: Echo | None = None,
        **others: Any,
    ) -> tuple[Task, Echo]:
        processor = processor or Echo()
        interval = SETTINGS.checkpoint_interval if saves else 10**18
        settings = replace(SETTINGS, checkpoint_interval=interval, **others)
        task = Task(
            partition,
            processor,
            settings,
            publisher=SimulatedPublisher(self.kafka, f"sop-{partition}"),
            log=SimulatedLog(self.kafka),
            store=MemoryStore(MemoryState() if partition else self.state),
            clock=StoppedClock(now),
            health=Health(),
            attempts=SharedLock(),
        )
        return task, processor

    def outputs(self) -> list[bytes | None]:
        return [record.value for record in self.kafka.committed(DECISIONS)]


def starts(jobs: int = 0, tickets: int = 0) -> dict[TP, int]:
    return {JOBS: jobs, TICKETS: tickets, ANSWERS: 0}


def records(first: int, *values: bytes) -> Sequence[Stored]:
    return [Stored(first + number, b"", value) for number, value in enumerate(values)]
